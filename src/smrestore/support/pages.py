"""Templates of HTML pages."""

import jinja2


def page_environment(package: str) -> jinja2.Environment:
    """Return the environment of the templates in a package, which are escaped and complete.

    ``package`` is its full name; the templates lie in its folder ``templates``.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
