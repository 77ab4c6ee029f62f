"""How a shell on the gateway finds Hadoop, and what it makes of the user's profiles and locale."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.hadoop.scripts import Site, check, find, functions

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
CORE = "<configuration><property><name>fs.defaultFS</name><value>hdfs://master:8020</value></property></configuration>\n"
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
    for name in ("hdfs", "yarn"):
        (tmp_path / "hadoop/bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "hadoop/bin" / name).chmod(0o755)
    (tmp_path / "hadoop/etc/hadoop/core-site.xml").write_text(CORE)
    return tmp_path / "hadoop"


def found(home: Path, script: str = TELL, site: Site | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a script behind the functions says."""
    script = functions(site or Site("", "", "chiminey", "", "", "", {}), "r1") + script
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), **environment}
    return subprocess.run(["sh", "-c", script], cwd=home, env=environment, capture_output=True, text=True, check=False)


def named(hadoop: Path) -> Site:
    return Site(str(hadoop), "", "chiminey", "", "", "", {})


def searched(hadoop: Path) -> subprocess.CompletedProcess[str]:
    """What is said of the Hadoop before a run begins."""
    (hadoop.parent / "scratch").mkdir()
    script = find("scratch", named(hadoop))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(hadoop.parent)}
    return subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)


def java(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


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


def test_a_java_that_only_a_profile_names_is_taken_though_another_is_on_the_path(hadoop: Path) -> None:
    java(hadoop.parent / "bin/java")
    (hadoop.parent / ".profile").write_text("export JAVA_HOME=/opt/java\n")
    result = found(hadoop.parent, site=named(hadoop), PATH=f"{hadoop.parent}/bin:/usr/bin:/bin")
    assert result.stdout.splitlines()[2] == "/opt/java", result.stderr


def test_java_s_home_is_that_of_the_java_on_the_path_where_nobody_names_one(hadoop: Path) -> None:
    java(hadoop.parent / "jdk/bin/java")
    (hadoop.parent / "bin").mkdir()
    (hadoop.parent / "bin/java").symlink_to(hadoop.parent / "jdk/bin/java")
    result = found(hadoop.parent, site=named(hadoop), PATH=f"{hadoop.parent}/bin:/usr/bin:/bin")
    assert result.stdout.splitlines()[2] == str(hadoop.parent / "jdk"), result.stderr


@pytest.mark.parametrize("command", ["hdfs", "yarn"])
def test_a_client_that_is_not_whole_is_told(hadoop: Path, command: str) -> None:
    (hadoop / "bin" / command).unlink()
    result = found(hadoop.parent, site=named(hadoop))
    assert (result.returncode, result.stderr) == (
        125,
        f"chiminey: there is a hadoop command on this host, but no {command}: its client is not whole\n",
    )


def test_a_configuration_that_is_not_there_is_told_and_none_taken_in_its_place(hadoop: Path) -> None:
    result = found(hadoop.parent, site=named(hadoop), HADOOP_CONF_DIR="/nowhere")
    assert "there is no core-site.xml in /nowhere, which HADOOP_CONF_DIR names on this host" in result.stderr
    (hadoop / "etc/hadoop/core-site.xml").unlink()
    result = found(hadoop.parent, site=named(hadoop))
    assert f"there is no core-site.xml in {hadoop}/etc/hadoop or /etc/hadoop/conf on this host" in result.stderr


@pytest.mark.parametrize("core", ["<configuration/>", CORE.replace("hdfs://master:8020", "file:///")], ids=["bare", "files"])
def test_a_configuration_without_an_hdfs_is_told(hadoop: Path, core: str) -> None:
    (hadoop / "etc/hadoop/core-site.xml").write_text(core)
    (hadoop / "bin/hdfs").write_text("#!/bin/sh\necho file:///\n")
    result = searched(hadoop)
    assert f"Hadoop's configuration in {hadoop}/etc/hadoop names no HDFS" in result.stderr
    assert result.returncode == 125


def test_a_hadoop_that_does_not_start_says_why(hadoop: Path) -> None:
    (hadoop / "bin/hadoop").write_text("#!/bin/sh\necho ERROR: JAVA_HOME is not set >&2\nexit 1\n")
    result = searched(hadoop)
    assert result.stderr.strip() == "chiminey: Hadoop does not start on this host: ERROR: JAVA_HOME is not set"
    assert result.returncode == 125


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
