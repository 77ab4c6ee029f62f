"""The copy of a site's configuration that each task has on a Hadoop gateway, as a shell makes it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from blocks.hadoop.scripts import Site, functions

SITE = """<?xml version="1.0"?>
<configuration>
  <property>
    <name>yarn.app.mapreduce.am.staging-dir</name>
    <value>/staging</value>
  </property>
  <property><name>mapreduce.job.queuename</name><value>slow</value></property>
</configuration>
"""


def properties(file: Path) -> dict[str, str]:
    """As Hadoop reads a file: the last property of a name counts."""
    found = ElementTree.fromstring(file.read_text()).iter("property")
    return {str(each.findtext("name")): str(each.findtext("value")) for each in found}


def configured(folder: Path, properties: dict[str, str], queue: str = "", shell: str = "sh") -> Path:
    """The folder with the copies: hadoop and spark."""
    site = Site("", "", "chiminey", queue, "", "", properties)
    script = f"{functions(site, 'r1')}place=/user/me/chiminey/r1\nconfigure hadoop a,b\nconfigure_spark spark a,b\n"
    environment = {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder),
        "HADOOP_CONF_DIR": str(folder / "site"),
        "SPARK_CONF_DIR": str(folder / "defaults"),
    }
    result = subprocess.run([shell, "-c", script], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    result.check_returncode()
    assert result.stderr == ""
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the configuration of a site, and a spark-submit."""
    for name in ("site", "defaults", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "site/mapred-site.xml").write_text(SITE)
    (tmp_path / "site/core-site.xml").write_text("<configuration/>\n")
    (tmp_path / "site/mapred-site.xml").chmod(0o444)
    (tmp_path / "defaults/spark-defaults.conf").write_text("spark.yarn.queue slow\nspark.eventLog.enabled true")
    (tmp_path / "bin/spark-submit").touch(mode=0o755)
    return tmp_path


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_sites_properties_stay_and_ours_win(site: Path, shell: str) -> None:
    folder = configured(site, {"mapreduce.map.memory.mb": "2000", "odd": "<a> & \"b\" 'c' $x \\n"}, "fast", shell)
    for name in ("core", "hdfs", "mapred", "yarn"):
        found = properties(folder / f"hadoop/{name}-site.xml")
        assert found["mapreduce.job.queuename"] == "fast"
        assert found["mapreduce.job.tags"] == "a,b"
        assert found["odd"] == "<a> & \"b\" 'c' $x \\n"
    assert properties(site / "site/mapred-site.xml")["mapreduce.job.queuename"] == "slow"


def test_staging_is_the_runs_and_history_the_sites(site: Path) -> None:
    found = properties(configured(site, {}) / "hadoop/mapred-site.xml")
    assert found["yarn.app.mapreduce.am.staging-dir"] == "/user/me/chiminey/r1/staging"
    assert found["mapreduce.jobhistory.intermediate-done-dir"] == "/staging/history/done_intermediate"
    assert found["mapreduce.job.queuename"] == "slow"


def test_history_stays_also_where_the_site_names_it_by_the_folder_for_staging(site: Path) -> None:
    history = "<name>mapreduce.jobhistory.intermediate-done-dir</name>\n<value>${yarn.app.mapreduce.am.staging-dir}/h</value>"
    (site / "site/mapred-site.xml").write_text(
        SITE.replace("</configuration>", f"<property>{history}</property></configuration>")
    )
    found = properties(configured(site, {}) / "hadoop/mapred-site.xml")
    assert found["mapreduce.jobhistory.intermediate-done-dir"] == "/staging/h"


def test_what_the_site_has_commented_out_is_not_believed(site: Path) -> None:
    commented = "<!-- <property><name>yarn.app.mapreduce.am.staging-dir</name><value>/old</value></property> -->"
    text = SITE.replace("</configuration>", f"{commented}\n<!-- more -->\n</configuration>")
    (site / "site/mapred-site.xml").write_text(text)
    found = properties(configured(site, {}) / "hadoop/mapred-site.xml")
    assert found["mapreduce.jobhistory.intermediate-done-dir"] == "/staging/history/done_intermediate"


def test_a_site_that_says_nothing_of_mapreduce_has_the_usual_places(site: Path) -> None:
    (site / "site/mapred-site.xml").unlink()
    found = properties(configured(site, {}) / "hadoop/mapred-site.xml")
    assert found["mapreduce.jobhistory.intermediate-done-dir"] == "/tmp/hadoop-yarn/staging/history/done_intermediate"


def test_sparks_defaults_stay_and_ours_win(site: Path) -> None:
    folder = configured(site, {"spark.executor.memory": "2g", "spark.odd": "a\\b"}, "fast")
    lines = dict(line.split(" ", 1) for line in (folder / "spark/spark-defaults.conf").read_text().splitlines() if line)
    assert lines["spark.eventLog.enabled"] == "true"
    assert lines["spark.yarn.queue"] == "fast"
    assert lines["spark.yarn.tags"] == "a,b"
    assert lines["spark.odd"] == "a\\\\b"


def test_what_is_not_to_be_read_is_left_out(site: Path) -> None:
    (site / "site/container-executor.cfg").symlink_to("/nowhere")  # often root's alone
    folder = configured(site, {}, "fast")
    assert properties(folder / "hadoop/core-site.xml")["mapreduce.job.queuename"] == "fast"
    (site / "site/core-site.xml").unlink()
    shutil.rmtree(folder / "hadoop")
    with pytest.raises(subprocess.CalledProcessError):
        configured(site, {})


def test_commands_use_the_copy_whatever_the_site_says(site: Path) -> None:
    (site / "site/hadoop-env.sh").write_text("export HADOOP_CONF_DIR=/etc/hadoop/conf")
    folder = configured(site, {})
    script = f". {folder}/hadoop/hadoop-env.sh && echo $HADOOP_CONF_DIR"
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == "hadoop\n"


def test_sparks_environment_can_not_name_another_configuration_of_hadoop(site: Path) -> None:
    (site / "defaults/spark-env.sh").write_text("export HADOOP_CONF_DIR=/opt/elsewhere")
    (site / "defaults/spark-env.sh").chmod(0o444)
    folder = configured(site, {})
    told = subprocess.run(
        ["sh", "-c", '. ./spark-env.sh; echo "$HADOOP_CONF_DIR $YARN_CONF_DIR"'],
        cwd=folder / "spark",
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "hadoop hadoop\n"


def test_a_configuration_of_spark_that_is_not_found_is_not_hidden(site: Path) -> None:
    shutil.rmtree(site / "defaults")
    assert not (configured(site, {}, "fast") / "spark").exists()


def test_a_host_without_spark_needs_no_configuration_of_it(site: Path) -> None:
    shutil.rmtree(site / "bin")
    assert not (configured(site, {}) / "spark").exists()
