"""What the code knows about itself and the site shows, as JSON on standard output: `python -m tools.site_reference`.

`files` lie beside the pages: the configuration file as JSON Schema, the API as OpenAPI. `appendix` is Markdown that is
added to pages: to docs/api every operation, to docs/commands the help of every command. It is not in the repository, so
no commit has to keep it in step.
"""

import json
import os
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Mapping
from typing import Any


def main() -> None:
    import django

    django.setup()
    from authz.api import reference
    from authz.api.configuration_schema import schema
    from authz.api.framework.schema import document

    files = {"configuration.schema.json": schema(), "openapi.json": document()}
    appendix = {"docs/api": "\n".join(api(reference.sections())), "docs/commands": "\n".join(commands())}
    json.dump({"files": files, "appendix": appendix}, sys.stdout)


def api(sections: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    yield "\n## Every operation\n"
    for section in sections:
        yield f"\n### {section['title']}\n"
        for operation in section["operations"]:
            yield from _operation(operation)


def _operation(operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n#### `{operation['method']} {operation['path']}`\n\n{_plain(operation['says'])}\n"
    if operation["permission"]:
        scopes = ", ".join(f"`{scope}`" for scope in operation["scopes"])
        yield f"Permission `{operation['permission']}`; of a token the scope {scopes}.\n"
    for parameter in operation["parameters"]:
        yield f"- `{parameter['name']}`: {_plain(parameter.get('description', 'in the path'))}"
    if operation["body"]:
        yield f"\nBody:\n\n```text\n{operation['body']}\n```\n"
    for answer in operation["answers"]:
        if answer["shape"] and answer["status"] != "otherwise":
            yield f"\nAnswer {answer['status']}:\n\n```text\n{answer['shape']}\n```\n"


def _plain(text: str) -> str:
    return text.replace("<", "&lt;")


def commands() -> Iterator[str]:
    from authz.command_line import catalog

    yield "\n## Every command\n"
    for group, entries in catalog.GROUPS.items():
        yield f"\n### {group}\n"
        for name, entry in entries.items():
            yield f"\n#### `gatehouse {name}`\n\n{entry.does[:1].upper()}{entry.does[1:]}.\n"
            yield from (f"```text\n{parser.format_help()}```\n" for parser in _parsers(_parser(name)))


def _parser(name: str) -> ArgumentParser:
    from django.core.management import get_commands, load_command_class

    from authz.command_line import parsers

    if name in parsers.STARTING:
        return parsers.starting("gatehouse", name)
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    return parsers.with_examples(command.create_parser, "gatehouse", name)


def _parsers(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for below in dict.fromkeys(action.choices.values()):
                yield from _parsers(below)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")
    os.environ.setdefault("COLUMNS", "90")
    main()
