"""`partwise plugins`: the installed plugins, and what is wrong with them."""

from __future__ import annotations

import os
from typing import Any

import click

from . import options
from .output import paragraph, print_json, show_columns


@click.command("plugins")
@options.as_json
@click.option("--details", is_flag=True, help="Show the tracebacks of broken plugins.")
def command(as_json: bool, details: bool) -> None:
    """List the installed plugins, broken ones too.

    A plugin is a Python package with an entry point in the group "partwise"; its parts are named
    NAMESPACE/NAME in recipes. PARTWISE_PLUGINS=a,b restricts which third-party plugins are loaded.

    \b
    Example:
      partwise plugins
    """
    found = _described()
    if as_json:
        print_json(found)
        return
    rows = [(one["namespace"], one["distribution"], one["version"], str(one["parts"]), _state(one)) for one in found]
    show_columns(rows, header=("namespace", "distribution", "version", "parts", "state"), right=(3,))
    for namespace in _asked_in_vain({one["namespace"] for one in found}):
        paragraph(f"\nPARTWISE_PLUGINS names {namespace}, and no plugin of this namespace is installed")
    for one in found:
        _, _, more = (one["problem"] or "").partition("\n")
        if more:
            paragraph(f"\nplugin {one['namespace']}:\n{more}")
        if one["details"] and details:
            paragraph(f"\nplugin {one['namespace']} ({one['distribution']} {one['version']}):\n{one['details']}")
        elif one["details"] and not more:
            paragraph(f"\nfor the traceback of {one['namespace']}: partwise plugins --details")


def _asked_in_vain(found: set[str]) -> list[str]:
    from partwise.parts.plugins import RESTRICTION

    asked = {name.strip() for name in os.environ.get(RESTRICTION, "").split(",")}
    return sorted(asked - found - {""})


def _described() -> list[dict[str, Any]]:
    from partwise.parts.registry import registry

    entries = registry().entries()
    return [
        {
            "namespace": plugin.namespace,
            "module": plugin.module,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "builtin": plugin.builtin,
            "parts": sum(entry.plugin == plugin for entry in entries),
            "problem": plugin.problem,
            "warning": plugin.warning,
            "details": plugin.details,
        }
        for plugin in registry().plugins
    ]


def _state(plugin: dict[str, Any]) -> str:
    if plugin["problem"]:
        return f"broken: {plugin['problem'].partition(chr(10))[0]}"
    return f"loaded, but: {plugin['warning']}" if plugin["warning"] else "loaded"
