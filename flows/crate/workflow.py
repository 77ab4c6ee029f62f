"""What of a crate does not grow with the run: the connector as a workflow, its program as a tool, who ran it with what."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticUndefined

from flows import connector_files, payload
from flows.circumstances import Circumstances
from flows.connector import SmartConnector
from flows.crate.entities import Entity, file, identifier, kind_of, moment, parameter, parameter_identifier, reference
from flows.digest import Checksums
from flows.request import plain

VERSION = "1.1"  # of RO-Crate, on which the profiles are
PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
SHA256 = "https://w3id.org/ro/terms/workflow-run#sha256"  # RO-Crate 1.1 has no word for it

ENGINE, STEP, TOOL = "#chiminey", "#step", "#tool"
INPUT, OUTPUT = "input", "output"  # parameters that are folders
_RUN_JSON = "run.json"  # what stands for the declaration of a connector that has no file

_HOMEPAGES = {
    "chiminey": "https://github.com/chiminey/chiminey",
    "python": "https://www.python.org",
    "prefect": "https://www.prefect.io",
}


@dataclass(frozen=True)
class Told:
    """What is said of the whole."""

    name: str
    description: str
    connector: SmartConnector
    files: Checksums
    tool: str  # the file that computes one task; empty: what runs is the connector's own doing
    values: Mapping[str, Any]  # one for each name that tasks have values of
    has_input: bool  # start points
    has_tasks: bool  # else there is no provenance to tell of
    circumstances: Circumstances
    ended: float  # seconds since the epoch


def described(told: Told) -> dict[str, Any]:
    """The JSON of a crate with these entities, to which the run's own are still to be added."""
    from rocrate.model.contextentity import ContextEntity  # pyright: ignore[reportMissingTypeStubs]
    from rocrate.rocrate import ROCrate  # pyright: ignore[reportMissingTypeStubs]

    by, person = told.circumstances, reference(told.circumstances.agent)
    crate: Any = ROCrate(version=VERSION)
    crate.metadata.extra_terms["sha256"] = SHA256
    crate.metadata["conformsTo"] = [reference(f"https://w3id.org/ro/crate/{VERSION}"), reference(PROFILES[3][0])]
    crate.name, crate.description, crate.license = told.name, told.description, by.licence
    crate.datePublished = moment(told.ended)
    crate.root_dataset["author"] = person
    crate.root_dataset["conformsTo"] = [reference(uri) for uri in _profiles(told)]
    crate.root_dataset["mainEntity"] = reference(main(told))
    for entity in [
        {**person, "@type": "Person", "name": by.author},
        *(_profile(*profile) for profile in PROFILES if profile[0] in _profiles(told)),
        *_engine(by),
        *_workflow(told),
        *_parameters(told),
    ]:
        crate.add(ContextEntity(crate, entity["@id"], {name: value for name, value in entity.items() if name != "@id"}))
    return crate.metadata.generate()


def main(told: Told) -> str:
    """The identifier of the connector, which was executed as a whole."""
    return identifier(declaration(told.connector, told.files))


def tool(told: Told) -> str:
    """The identifier of what computes one task."""
    return identifier(told.tool) or TOOL


def declaration(connector: SmartConnector, files: Container[str]) -> str:
    """The file of the crate that declares the connector."""
    path = f"{connector_files.FOLDER}/{connector_files.declared_in(connector)}"
    return path if path in files else _RUN_JSON


def program(connector: SmartConnector, files: Container[str]) -> str:
    """The file of the crate that computes one task; empty for a connector that gives each task a program of its own."""
    path = f"{connector_files.FOLDER}/{connector_files.payload_path(connector)}/{payload.MAIN}"
    return path if path in files else ""


def _profiles(told: Told) -> list[str]:
    return [uri for uri, name, _ in PROFILES if told.has_tasks or name != "Provenance Run Crate"]


def _profile(uri: str, name: str, number: str) -> Entity:
    return {"@id": uri, "@type": "CreativeWork", "name": name, "version": number}


def _engine(by: Circumstances) -> list[Entity]:
    programs: list[Entity] = [
        {
            "@id": ENGINE if name == "chiminey" else f"#{name}",
            "@type": "SoftwareApplication",
            "name": name,
            "url": _HOMEPAGES[name],
            "softwareVersion": number,
        }
        for name, number in by.versions.items()
    ]
    programs[0] |= {"softwareRequirements": [reference("#python"), reference("#prefect")], "operatingSystem": by.system}
    return programs


def _workflow(told: Told) -> list[Entity]:
    connector, declared = told.connector, declaration(told.connector, told.files)
    language = "Python" if declared.endswith(".py") else "TOML" if declared.endswith(".toml") else "JSON"
    names = list(connector.Inputs.model_fields)
    kinds = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
    workflow = {
        **file(declared, told.files[declared]),
        "@type": kinds,
        "name": connector.name,
        "description": connector.description or connector.name,
        "version": told.files[declared][1][:12],
        "conformsTo": reference("https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"),
        "programmingLanguage": reference("#language"),
        "input": _pointed([*names, *([INPUT] if told.has_input else [])]),
        "output": _pointed([OUTPUT]),
        "hasPart": [reference(tool(told))],
        "step": [reference(STEP)],
    }
    return [
        workflow,
        {"@id": "#language", "@type": "ComputerLanguage", "name": language, "version": _language_version(told, language)},
        {"@id": STEP, "@type": "HowToStep", "name": "compute", "position": "1", "workExample": reference(tool(told))},
        _tool(told),
    ]


def _language_version(told: Told, language: str) -> str:
    return ".".join(told.circumstances.versions["python"].split(".")[:2]) if language == "Python" else "1.0"


def _tool(told: Told) -> Entity:
    given = [*told.values, *([INPUT] if told.has_input else [])]
    pointed = {"input": _pointed(given), "output": _pointed([OUTPUT])}
    if not told.tool:
        number = told.files[declaration(told.connector, told.files)][1][:12]
        return {
            "@id": tool(told),
            "@type": "SoftwareApplication",
            "name": f"{told.connector.name}, once",
            "softwareVersion": number,
            **pointed,
        }
    found = file(told.tool, told.files[told.tool])
    kinds = ["File", "SoftwareSourceCode"]
    return {**found, "@type": kinds, "name": f"the program of {told.connector.name}", "version": found["sha256"][:12], **pointed}


def _parameters(told: Told) -> list[Entity]:
    fields = told.connector.Inputs.model_fields
    defaults = plain({name: field.get_default() for name, field in fields.items() if field.default is not PydanticUndefined})
    found: list[Entity] = []
    for name, declared in fields.items():
        given = told.values.get(name, defaults.get(name))
        described: dict[str, Any] = {"valueRequired": declared.is_required()}
        if declared.description or declared.title:
            described["description"] = declared.description or declared.title
        if name in defaults and defaults[name] is not None:
            described["defaultValue"] = str(defaults[name])
        found.append(parameter(name, kind_of(given), **described))
    found += [parameter(name, kind_of(given)) for name, given in told.values.items() if name not in fields]
    if told.has_input:
        found.append(parameter(INPUT, "Dataset", description="the start points, a folder for each"))
    return [*found, parameter(OUTPUT, "Dataset", description="what tasks wrote")]


def _pointed(names: Sequence[str]) -> list[dict[str, str]]:
    return [reference(parameter_identifier(name)) for name in names]
