"""Sphinx: leave out what the theme brings and the book does not use, and mend what it gets wrong.

Left out are a second search field above the page, the scripts of Thebe, which fetch code from another host, and a script
of 1.5 MB that draws the icons which the theme's web fonts draw already.  Mended are the roles of a bibliography, and the
search from disk, where no summaries can be fetched.  MathJax, a megabyte of script, waits until the widgets are alive.
"""

from pathlib import Path

ICON_SCRIPT = "_static/scripts/fontawesome.js"
FROM_DISK = "if (location.protocol === 'file:') DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;"
LATER = """<script>
(() => {{
  const events = ["widgets-ready", "load"];
  const start = () => {{
    for (const name of events) removeEventListener(name, start);
    document.head.append(Object.assign(document.createElement("script"), {{ src: "{source}" }}));
  }};
  for (const name of events) addEventListener(name, start);
}})();
</script>
"""

NAVBAR = ("navbar_start", "navbar_center", "navbar_end", "navbar_persistent")


def empty_navbar(app, config):
    """Show nothing in the bar above the page; the sidebar has it all."""
    config.html_theme_options.update({part: [] for part in NAVBAR})


def delay_mathjax(app, pagename, templatename, context, doctree):
    """Load MathJax when the page's widgets are alive, or else when the page is loaded."""
    files = context.get("script_files", [])
    for file in [file for file in files if "mathjax" in str(file.filename)]:
        files.remove(file)
        source = context["pathto"](str(file.filename), True)
        context["body"] = LATER.format(source=source) + context.get("body", "")


def mend_roles(app, pagename, templatename, context, doctree):
    """Give the entries of a bibliography the role that their list asks for."""
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')


def drop_thebe(app, pagename, templatename, context, doctree):
    """Remove Thebe's scripts and styles from a page."""
    for key in ("script_files", "css_files"):
        files = context.get(key, [])
        files[:] = [file for file in files if not _is_thebe(file)]


def _is_thebe(file):
    return "thebe" in f"{file.filename} {getattr(file, 'attributes', {}).get('body', '')}".lower()


def empty_icon_script(app, error):
    """Leave nothing in the script that draws icons as pictures; the theme's templates ask for the file by name."""
    path = Path(app.outdir, ICON_SCRIPT)
    if error is None and path.exists():
        path.write_text("// Icons come from the web fonts.\n", encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", empty_navbar, priority=100)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", mend_roles)
    app.connect("html-page-context", delay_mathjax, priority=900)
    app.add_js_file(None, body=FROM_DISK)
    app.connect("build-finished", empty_icon_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
