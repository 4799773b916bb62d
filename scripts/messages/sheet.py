"""Writes the pages that sheet.sh takes pictures of: mails side by side, and Slack's blocks as Slack lays them out."""

import html
import json
import pathlib
import re
import sys

KINDS = ["symptoms", "sweep", "rising_loss", "resolved", "digest"]
work = pathlib.Path(sys.argv[1])
slack = pathlib.Path("notify/slack/testdata")


def mrkdwn(text: str) -> str:
    """Lays out the little that our messages use of mrkdwn; the text is escaped already."""
    text = re.sub(r"```(.*?)```", r"<pre>\1</pre>", text, flags=re.S)
    text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?m)^\*([^*\n]+)\*$", r"<b>\1</b>", text)
    return re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r'<a href="\1">\2</a>', text).replace("\n", "<br>")


def block(b: dict, kind: str) -> str:
    match b["type"]:
        case "header":
            sign, _, title = html.unescape(b["text"]["text"]).partition(" ")
            colour = {"🔴": "#d92d20", "🟠": "#d9772b", "🔵": "#3b7dd8", "🟢": "#2da44e"}[sign]  # fonts may lack them
            return f'<h3><span style="color:{colour}">●</span> {html.escape(title)}</h3>'
        case "section" if "fields" in b:
            return "<div class=fields>" + "".join(f"<p>{mrkdwn(f['text'])}</p>" for f in b["fields"]) + "</div>"
        case "section":
            return f"<p>{mrkdwn(b['text']['text'])}</p>"
        case "image":
            return f'<img src="{kind}.png">'
        case "context":
            return "<p class=small>" + " &nbsp; ".join(mrkdwn(e["text"]) for e in b["elements"]) + "</p>"
        case "actions":
            return "".join(f"<span class=button>{html.escape(e['text']['text'])}</span>" for e in b["elements"] if "text" in e)
    return ""


frames = "".join(f'<iframe src="{k}.html" width=368 height=1150></iframe>' for k in KINDS)
(work / "mails.html").write_text(f"<style>body{{margin:0;background:#888;display:flex;gap:10px}}iframe{{border:0}}</style>{frames}")

cards = ""
for kind in KINDS:
    text = (slack / f"{kind}.json").read_text()
    blocks = json.loads(text[text.index("\n\n") :])
    cards += "<div class=card>" + "".join(block(b, kind) for b in blocks) + "</div>"
(work / "sheet.html").write_text(f"""<meta charset=utf-8><style>
body{{margin:0;background:#fff;font:14px/1.45 Lato,Helvetica,Arial,sans-serif;color:#1d1c1d}}
h2{{margin:14px 12px 8px}} .row{{display:flex;gap:10px;align-items:flex-start;padding:0 6px}} .card{{width:356px;border:1px solid #ddd;border-radius:8px;padding:4px 12px;box-sizing:border-box;overflow-wrap:anywhere}}
.card img{{width:100%}} pre{{font-size:11px;background:#f6f6f6;border:1px solid #ddd;padding:6px;overflow:hidden}} code{{font-size:12px;color:#c01343;background:#f6f6f6}}
.fields{{display:grid;grid-template-columns:1fr 1fr;gap:8px}} p{{margin:8px 0}} .small{{font-size:12px;color:#616061}} .button{{display:inline-block;border:1px solid #bbb;border-radius:4px;padding:4px 10px;margin:2px 6px 6px 0;font-weight:700}}
</style><h2>Slack (laid out from the blocks as they are sent)</h2><div class=row>{cards}</div>
<h2>Mail, light and dark, 368 pixels wide</h2><img src="mail1.png" width=1880><img src="mail0.png" width=1880>""")
