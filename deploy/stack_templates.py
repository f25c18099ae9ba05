"""Read CloudFormation templates."""

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Replace each function by its arguments."""


def _arguments(loader: _Loader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    raise TypeError(node)


_Loader.add_multi_constructor("!", _arguments)


def read_template(text: str) -> dict[str, Any]:
    """Return a template with its functions replaced by their arguments: `!Ref X` becomes `X`."""
    template: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506  it is a safe loader
    return template
