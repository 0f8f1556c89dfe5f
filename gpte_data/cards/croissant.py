"""croissant.jsonld: the dataset for machines, by MLCommons' Croissant 1.1.

Every file with its hash, every config and split as a record set whose fields are the real columns.
Who made it and where it is published is not known here and left out.
(https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html)
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import orjson

from gpte_data.cards import licences
from gpte_data.cards.features import CROISSANT
from gpte_data.cards.front import codes, schema_of, title
from gpte_data.cards.layout import Config, File, Layout
from gpte_data.cards.sections import CITATION

VERSION = "http://mlcommons.org/croissant/1.1"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        word: f"cr:{word}"
        for word in (
            "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract",
            "field", "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray",
            "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet",
            "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
            "subField", "transform",
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "sc": "https://schema.org/",
}  # fmt: skip
MIME = {
    "parquet": "application/x-parquet", "json": "application/jsonlines",
    "csv": "text/tab-separated-values", "webdataset": "application/x-tar",
}  # fmt: skip
_PACKED = {".gz": "application/gzip", ".zst": "application/zstd"}


def croissant(facts: Mapping[str, Any], layout: Layout, said: Mapping[str, str]) -> str:
    """Return the text of croissant.jsonld."""
    datasets = [one["name"] for one in facts["sources"]] or [""]
    names = list(dict.fromkeys(licences.of(name, dict(said)) for name in datasets))
    with_rows = [
        c for c in layout.configs if schema_of(c, facts) and layout.builder != "webdataset"
    ]
    both = [(config, split) for config in with_rows for split in config.splits]
    data = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": title(facts),
        "description": _description(facts),
        "conformsTo": VERSION,
        "license": [licences.link(name) for name in names],
        "version": "1.0.0",
        "isLiveDataset": False,
        "citeAs": CITATION.format(version=facts["gpte_data"]),
        "keywords": ["embeddings", "retrieval", facts["options"]["format"]],
        **({"inLanguage": found} if (found := codes(facts)) else {}),
        "distribution": [
            *(_object(file) for file in layout.files),
            *(_set(config, split, layout) for config, split in both),
        ],
        "recordSet": [_records(config, split, facts) for config, split in both],
    }
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n"


def _description(facts: Mapping[str, Any]) -> str:
    return (
        f"{facts['books']['out']:,} examples from {facts['queries']:,} queries and "
        f"{facts['documents']:,} documents, in the format {facts['options']['format']} of "
        f"gpte-data {facts['gpte_data']}; fingerprint {facts['fingerprint']}."
    )


def _object(file: File) -> dict[str, Any]:
    """Return a file as a FileObject."""
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "contentSize": f"{file.size} B",
        "encodingFormat": _mime(file),
        "sha256": file.sha256,
    }


def _mime(file: File) -> str:
    """Return what kind of file it is; of a compressed one, what it is once unpacked, if known."""
    if file.builder:
        return MIME[file.builder]
    packed = next((mime for ending, mime in _PACKED.items() if file.name.endswith(ending)), "")
    return packed or ("application/json" if file.name.endswith(".json") else "text/plain")


def _set(config: Config, split: str, layout: Layout) -> dict[str, Any]:
    """Return the files of a split as a FileSet: a pattern where it leads to them alone."""
    files = config.splits[split]
    return {
        "@type": "cr:FileSet",
        "@id": f"files-of-{config.name}-{split}",
        "name": f"files-of-{config.name}-{split}",
        "encodingFormat": MIME[layout.builder],
        "includes": _includes(files, layout),
    }


def _includes(files: Sequence[File], layout: Layout) -> list[str]:
    """Return patterns in which `*` stands for folders too, as Croissant's library reads them."""
    patterns = layout.patterns(files)
    found = {f.name for f in layout.files if any(fnmatchcase(f.name, one) for one in patterns)}
    return patterns if found == {file.name for file in files} else [file.name for file in files]


def _records(config: Config, split: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a split as a RecordSet."""
    name = f"{config.name}-{split}"
    schema = schema_of(config, facts)
    fields = [_field(name, column, type_) for column, type_ in schema if _told(type_)]
    deep = [column for column, type_ in schema if not _told(type_)]
    also = f"; too deep for fields, left out: {', '.join(deep)}" if deep else ""
    rows = f"{config.rows(split):,} examples" if config.counted else "beside the examples"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{rows}; config {config.name}, split {split}{also}",
        "field": fields,
    }


def _values(type_: Any) -> bool:
    """Tell whether a type is plain values, or lists of them."""
    return isinstance(type_, str) or ("list" in type_ and _values(type_["list"]))


def _told(type_: Any) -> bool:
    """Tell whether Croissant's library reads a type: it fails at objects further inside."""
    inner = type_["list"] if isinstance(type_, dict) and "list" in type_ else type_
    if isinstance(inner, dict) and "struct" in inner:
        return any(_values(one) for _, one in inner["struct"])
    return _values(inner)


def _field(records: str, column: str, type_: Any) -> dict[str, Any]:
    """Return a column as a Field; objects inside have fields of their own."""
    source: dict[str, Any] = {
        "fileSet": {"@id": f"files-of-{records}"},
        "extract": {"column": column},
    }
    inner = type_["list"] if isinstance(type_, dict) and "list" in type_ else type_
    field: dict[str, Any] = {"@type": "cr:Field", "@id": f"{records}/{column}", "name": column}
    array = {"isArray": True, "arrayShape": "-1"} if inner is not type_ else {}
    if isinstance(inner, str):
        return {**field, "dataType": CROISSANT.get(inner, "sc:Text"), **array, "source": source}
    if "list" in inner:
        return {**field, "dataType": "sc:Text", **array, "source": source}
    parts = [
        {
            "@type": "cr:Field", "@id": f"{records}/{column}/{name}", "name": name,
            "dataType": CROISSANT.get(one, "sc:Text") if isinstance(one, str) else "sc:Text",
            "source": {**source, "transform": {"jsonPath": name}},
        }
        for name, one in inner["struct"]
        if _values(one)
    ]  # fmt: skip
    return {**field, **array, "subField": parts}
