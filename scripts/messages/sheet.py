"""Writes the pages that sheet.sh takes pictures of: mails side by side, and Slack's blocks as Slack lays them out."""

import html
import json
import pathlib
import re
import sys

# Columns of mails: a frame's scheme is what the mail sees as the reader's.
MAILS = [
    ["sweep"],
    ["answered", "run_lost"],
    ["resolved", "answered dark"],
    ["digest", "run_lost dark"],
    ["sweep dark"],
]
# The page says how high it is, so that the picture can be.
MEASURE = "<script>onload=()=>{document.documentElement.dataset.height=document.body.scrollHeight}</script>"
work = pathlib.Path(sys.argv[1])
slack = pathlib.Path("notify/slack/testdata")


def mrkdwn(text: str) -> str:
    """Lays out the little that our messages use of mrkdwn; the text is escaped already."""
    text = re.sub(r"```(.*?)```", r"<pre>\1</pre>", text, flags=re.S)
    text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?m)^\*([^*\n]+)\*$", r"<b>\1</b>", text)
    text = text.replace("👤 ", "<b>✓</b> ")  # fonts may lack it
    return re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r'<a href="\1">\2</a>', text).replace("\n", "<br>")


def button(e: dict) -> str:
    if e["type"] == "overflow":
        return "<span class=button>⋯</span>"
    return f"<span class='button {e.get('style', '')}'>{html.escape(e['text']['text'])}</span>"


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
            return "".join(button(e) for e in b["elements"])
    return ""


def messages(text: str) -> list[list[dict]]:
    """The blocks of each message in a golden file; before each stands what a notification shows."""
    out, decoder = [], json.JSONDecoder()
    while (at := text.find("\n\n[")) >= 0:
        blocks, end = decoder.raw_decode(text[at + 2 :])
        out.append(blocks)
        text = text[at + 2 + end :]
    return out


def card(name: str, picture: str, thread: str = "") -> str:
    """One message, and its thread below."""
    (blocks,) = messages((slack / f"{name}.json").read_text())
    out = "<div><div class=card>" + "".join(block(b, picture) for b in blocks) + "</div>"
    if thread:
        replies = messages((slack / f"{thread}.json").read_text())
        out += "<div class=thread>" + "".join("<div>" + "".join(block(b, picture) for b in r) + "</div>" for r in replies) + "</div>"
    return out + "</div>"


def shortened(value: object) -> object:
    """The JSON of a webhook with its long parts cut, so that its form is seen."""
    if isinstance(value, dict):
        return {k: shortened(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shortened(v) for v in value]
    return value[:30] + "…" if isinstance(value, str) and len(value) > 37 else value  # an id stays whole


def mail(name: str) -> str:
    """A mail in a frame as high as it is: nothing is cut off."""
    kind, _, scheme = name.partition(" ")
    whole = "this.height=this.contentDocument.documentElement.scrollHeight"
    return f'<iframe src="{kind}.html" width=364 height=100 style="color-scheme:{scheme or "light"}" onload="{whole}"></iframe>'


mails = "".join("<div class=column>" + "".join(map(mail, c)) + "</div>" for c in MAILS)
cards = "".join([
    card("asked", "rising_loss"), card("approved", "answered", "approved_thread"), card("resolved", "resolved"),
    card("sweep", "sweep"), "<div>" + card("run_lost", "run_lost") + card("digest", "digest") + "</div>",
])  # fmt: skip
payload = json.dumps(shortened(json.loads((pathlib.Path("notify/webhook/testdata") / "answered.json").read_text())), indent=2, ensure_ascii=False)
log = (pathlib.Path("notify/logline/testdata") / "rising_loss.txt").read_text()
(work / "sheet.html").write_text(f"""<meta charset=utf-8><style>
body{{margin:0;background:#fff;font:14px/1.45 Lato,Helvetica,Arial,sans-serif;color:#1d1c1d}}
h2{{margin:14px 12px 8px}} .row{{display:flex;gap:10px;align-items:flex-start;padding:0 6px}} .card{{width:364px;border:1px solid #ddd;border-radius:8px;padding:4px 12px;margin-bottom:10px;box-sizing:border-box;overflow-wrap:anywhere}}
.thread{{width:352px;box-sizing:border-box;padding-left:16px;border-left:3px solid #ddd;margin:0 0 10px 12px;font-size:13px;overflow-wrap:anywhere}}
.card img{{width:100%}} code{{font-size:12px;color:#c01343;background:#f6f6f6}} .card pre{{font-size:11px;background:#f6f6f6;border:1px solid #ddd;padding:6px;overflow:hidden}}
.column{{width:364px}} iframe{{border:1px solid #ddd;box-sizing:border-box;display:block;margin-bottom:10px}} .fields{{display:grid;grid-template-columns:1fr 1fr;gap:8px}} p{{margin:8px 0}} .small{{font-size:12px;color:#616061}}
.button{{display:inline-block;border:1px solid #bbb;border-radius:4px;padding:4px 10px;margin:2px 6px 6px 0;font-weight:700}} .primary{{background:#007a5a;color:#fff}} .danger{{color:#c01343}}
.json{{columns:3;font:11.5px/1.4 monospace;background:#f6f8fa;padding:12px;margin:0;flex:1;white-space:pre-wrap}} .terminal{{font:13px/1.4 monospace;background:#16191d;color:#d6dbe1;padding:12px;margin:0;white-space:pre}}
</style><h2>Slack, laid out from the blocks as they are sent: a question, its answer with the thread, its end; a sweep; a run that died; a digest</h2><div class=row>{cards}</div>
<h2>Mail as wide as a phone, light and dark: a sweep, a question that was answered, its end, a run that died, a digest</h2><div class=row>{mails}</div>
<h2>Webhook (long texts cut), and the log at a terminal</h2><div class=row><pre class=json>{html.escape(payload)}</pre><pre class=terminal>{html.escape(log)}</pre></div>{MEASURE}""")
