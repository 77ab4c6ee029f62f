"""How a shell on the gateway finds Hadoop, and what it makes of the user's profiles and locale."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.hadoop.scripts import Site, check, functions

# What a login shell may be told, each of which would end a script that is in the same shell, or change what it does.
PROFILES = {
    "an array of bash's": "names=(a b)",
    "a function of bash's": "function f() { true; }\nfunction put { exit 3; }",
    "functions of our names": "own() { exit 3; }; login() { exit 3; }; remove() { exit 3; }",
    "an exit": "exit 3",
    "another shell": "exec sh",
    "strictness": "set -eu; false",
    "a syntax error": "if",
    "a daemon": "sleep 5 &",
}
TELL = 'site "$PWD"\nprintf "%s\\n" "$HADOOP_HOME" "$HADOOP_CONF_DIR" "${JAVA_HOME-}" "${LC_ALL-}"\n'


@pytest.fixture
def hadoop(tmp_path: Path) -> Path:
    """A folder with the command hadoop, in a home that is the working folder."""
    for name in ("hadoop/bin", "hadoop/etc/hadoop", "hadoop/share/hadoop"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "hadoop/bin/hadoop").write_text(
        '#!/bin/sh\nlocale charmap >"$HOME/charmap"; printf "%s\\n" "$@" >"$HOME/words"\n'
    )
    (tmp_path / "hadoop/bin/hadoop").chmod(0o755)
    return tmp_path / "hadoop"


def found(home: Path, script: str = TELL, site: Site | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a script behind the functions says."""
    script = functions(site or Site("", "", "chiminey", "", "", "", {}), "r1") + script
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), **environment}
    return subprocess.run(["sh", "-c", script], cwd=home, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("other", PROFILES.values(), ids=PROFILES)
def test_hadoop_is_found_by_a_profile_whatever_else_profiles_do(hadoop: Path, other: str) -> None:
    home = hadoop.parent
    (home / ".profile").write_text(
        f'export HADOOP_HOME="{hadoop}" JAVA_HOME="/opt/my java"\n{"" if "exec" in other else other}\n'
    )
    (home / ".bash_profile").write_text(f"{other}\n")
    result = found(home)
    assert result.stdout.splitlines()[:3] == [str(hadoop), f"{hadoop}/etc/hadoop", "/opt/my java"], result.stderr
    assert sorted(path.name for path in home.iterdir()) == [".bash_profile", ".profile", "hadoop"]


def test_a_path_that_only_a_profile_has_leads_to_hadoop(hadoop: Path) -> None:
    (hadoop.parent / ".bash_profile").write_text(f"PATH=$PATH:{hadoop}/bin\n")
    assert found(hadoop.parent).stdout.splitlines()[0] == str(hadoop)


def test_a_hadoop_that_is_named_is_the_one_and_java_is_looked_for_in_the_profiles(hadoop: Path) -> None:
    home = hadoop.parent
    (home / ".profile").write_text('export HADOOP_HOME=/other HADOOP_CONF_DIR=/other JAVA_HOME="/opt/java"\n')
    without_java = home / "bin"
    without_java.mkdir()
    for name in ("grep", "env", "bash", "sh", "sed", "locale", "rm", "dirname"):
        (without_java / name).symlink_to(f"/usr/bin/{name}")
    result = found(home, site=Site(str(hadoop), "", "chiminey", "", "", "", {}), PATH=str(without_java))
    assert result.stdout.splitlines()[:3] == [str(hadoop), f"{hadoop}/etc/hadoop", "/opt/java"], result.stderr


@pytest.mark.parametrize("written", ["~/hadoop", "hadoop"])
def test_a_hadoop_home_may_be_below_the_login_folder(hadoop: Path, written: str) -> None:
    result = found(hadoop.parent, site=Site(written, "", "chiminey", "", "", "", {}))
    assert result.stdout.splitlines()[0] == str(hadoop), result.stderr


def test_a_spark_home_without_spark_is_told(hadoop: Path) -> None:
    result = found(hadoop.parent, site=Site(str(hadoop), "/nowhere", "chiminey", "", "", "", {}))
    assert "there is no /nowhere/bin/spark-submit on this host; set spark_home" in result.stderr
    assert result.returncode == 125


@pytest.mark.parametrize("locale", [{}, {"LANG": "C"}, {"LC_ALL": "POSIX"}])
def test_words_are_utf8_where_the_session_has_no_locale(hadoop: Path, locale: dict[str, str]) -> None:
    site = Site(str(hadoop), "", "chiminey", "", "", "", {})
    result = found(hadoop.parent, 'site "$PWD"\nown hadoop Grüße\n', site, **locale)
    assert (hadoop.parent / "charmap").read_text() == "UTF-8\n", result.stderr
    assert (hadoop.parent / "words").read_text() == "Grüße\n"


def test_a_locale_with_utf8_stays(hadoop: Path) -> None:
    site = Site(str(hadoop), "", "chiminey", "", "", "", {})
    assert found(hadoop.parent, site=site, LANG="C.UTF-8").stdout.splitlines()[3] == ""


def test_a_check_that_fails_leaves_no_ticket(hadoop: Path) -> None:
    home = hadoop.parent
    (hadoop / "bin/kinit").write_text('#!/bin/sh\ntrue >"${2#FILE:}"\n')
    (hadoop / "bin/hdfs").write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    for name in ("kinit", "hdfs"):
        (hadoop / "bin" / name).chmod(0o755)
    (home / "scratch").mkdir()
    script = check("scratch", Site("hadoop", "", "chiminey", "", "me@LAB", "~/me.keytab", {}))
    environment = {"PATH": f"{hadoop}/bin:/usr/bin:/bin", "HOME": str(home)}
    result = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert "the folder chiminey can't be used in HDFS: not today" in result.stderr
    assert result.returncode == 125
    assert list((home / "scratch").iterdir()) == []
