"""The pages of docs/ as HTML: what they use of Markdown, and no more."""

import html
import pathlib
import posixpath
import re

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}pre{{background:#f4f4f4;padding:.7em;overflow:auto}}
code{{background:#f4f4f4}}table{{border-collapse:collapse}}td,th{{border:1px solid #bbb;padding:.25em .6em;vertical-align:top;text-align:left}}</style>
</head><body>
{body}
</body></html>
"""
BULLET = re.compile(r"(\s*)(?:[-*]|(\d+)\.) (.*)")


def inline(text: str) -> str:
    """Code, links and emphasis of one paragraph."""
    codes: list[str] = []

    def keep(match: re.Match) -> str:
        codes.append(f"<code>{html.escape(match.group(2))}</code>")
        return f"\0{len(codes) - 1}\0"

    text = html.escape(re.sub(r"(`+)(.+?)\1", keep, text), quote=False)
    text = re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", lambda m: f'<a href="{target_of(m.group(2))}">{m.group(1)}</a>', text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?!\w)", r"<em>\1</em>", text)
    return re.sub(r"\0(\d+)\0", lambda m: codes[int(m.group(1))], text)


def target_of(link: str) -> str:
    page, mark, anchor = html.escape(link).partition("#")
    if page.endswith(".md") and ":" not in page:
        page = page[:-3] + ".html"
    return page + mark + anchor


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def cells(line: str) -> list[str]:
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def listing(lines: list[str]) -> str:
    """A list whose lines may be indented: one that is indented more is within the item before."""
    out, depths = [], []
    for line in lines:
        match = BULLET.match(line)
        if not match:
            out.append(" " + inline(line.strip()))
            continue
        depth, kind = len(match.group(1)), "ol" if match.group(2) else "ul"
        while depths and depth < depths[-1][0]:
            out.append(f"</li></{depths.pop()[1]}>")
        if depths and depth == depths[-1][0]:
            out.append("</li>")
        else:
            depths.append((depth, kind))
            out.append(f"<{kind}>")
        out.append(f"<li>{inline(match.group(3))}")
    while depths:
        out.append(f"</li></{depths.pop()[1]}>")
    return "\n".join(out)


def body_of(text: str) -> str:
    out, lines, at = [], text.split("\n"), 0
    while at < len(lines):
        line, begin = lines[at], at
        at += 1
        if line.lstrip().startswith("```"):
            while at < len(lines) and not lines[at].lstrip().startswith("```"):
                at += 1
            out.append("<pre>" + html.escape("\n".join(lines[begin + 1:at])) + "</pre>")
            at += 1
        elif match := re.match(r"(#{1,6}) (.*)", line):
            level = len(match.group(1))
            out.append(f'<h{level} id="{anchor_of(match.group(2))}">{inline(match.group(2))}</h{level}>')
        elif line.startswith("|"):
            while at < len(lines) and lines[at].startswith("|"):
                at += 1
            rows = [cells(row) for row in lines[begin:at] if not re.fullmatch(r"[|:\- ]+", row)]
            out.append("<table>" + "\n".join(
                "<tr>" + "".join(f"<{tag}>{inline(cell)}</{tag}>" for cell in row) + "</tr>"
                for tag, row in (("th" if number == 0 else "td", row) for number, row in enumerate(rows))) + "</table>")
        elif BULLET.match(line):
            while at < len(lines) and lines[at].strip() and not lines[at].startswith(("#", "|", "```")):
                at += 1
            out.append(listing(lines[begin:at]))
        elif line.strip():
            while at < len(lines) and lines[at].strip() and not re.match(r"#|\||```|[-*] |\d+\. ", lines[at]):
                at += 1
            out.append(f"<p>{inline(' '.join(part.strip() for part in lines[begin:at]))}</p>")
    return "\n".join(out)


def within(body: str, name: str, pages: set[str]) -> str:
    """The body without links to files that are not among the pages: their text stays."""
    def keep(match: re.Match) -> str:
        target = match.group(1).partition("#")[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        is_here = not target or ":" in target or (target.endswith(".html") and place[:-5] + ".md" in pages)
        return match.group(0) if is_here else match.group(2)

    return re.sub(r'<a href="([^"]*)">(.*?)</a>', keep, body)


def write(root: pathlib.Path, folder: pathlib.Path, tracked: set[str]) -> None:
    pages = sorted(name for name in tracked if name.startswith("docs/") and name.endswith(".md"))
    titles = []
    for name in pages:
        text = (root / name).read_text()
        title = next((line[2:] for line in text.split("\n") if line.startswith("# ")), name)
        target = folder / (name.removeprefix("docs/")[:-3] + ".html")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(PAGE.format(title=html.escape(title), body=within(body_of(text), name, set(pages))))
        target.chmod(0o644)
        titles.append((str(target.relative_to(folder)), title))
    contents = "\n".join(f'<li><a href="{path}">{inline(title)}</a></li>' for path, title in titles)
    (folder / "index.html").write_text(PAGE.format(title="Travertine", body=f"<h1>Travertine</h1><ul>{contents}</ul>"))
    (folder / "index.html").chmod(0o644)
