"""Recognize messages that are not for people."""

import re

JARGON = re.compile(
    r"\b(Input|instance|dictionary|dict|NoneType|None|str|int|float|bool|tuple|list of|pydantic|"
    r"model|validator|validation|assertion|regex|match pattern|codec|sys|Expecting|delimiter|"
    r"literal|parse|object has no|ordinal|Traceback|set_int_max|function)\b|<class|\w+Error\b|"
    r"__|\bat at\b|\(char \d|'[^']*' or '"
)
"""Words of pydantic, Python and its JSON parser that a person cannot do anything with."""
