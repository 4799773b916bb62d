package email

import (
	_ "embed"
	"html/template"
	"math"
	"strings"

	"github.com/epochwatch/epochwatch/notify/notice"
)

//go:embed message.html
var messageHTML string

var page = template.Must(template.New("message").Funcs(template.FuncMap{
	"bars":  bars,
	"cid":   func(id string) template.URL { return template.URL("cid:" + id) },              // made of our own ids
	"bound": func(s string) string { return strings.ReplaceAll(s, " → ", "\u00a0→\u00a0") }, // kept on one line
	"list":  func(name string, lines []string) notice.List { return notice.List{Name: name, Lines: lines} },
	"upper": strings.ToUpper,
}).Parse(messageHTML))

// barHeight is that of the highest bar in pixels.
const barHeight = 44

// bar is one column of a curve, drawn as a table cell: every mail program draws those,
// while pictures are held back and SVG is thrown away.
type bar struct {
	Height  int
	Hot     bool // from the onset to the resolution
	Good    bool // from the resolution on
	Missing bool // NaN or infinite
}

func bars(c notice.Curve) []bar {
	out := make([]bar, len(c.Heights))
	for i, h := range c.Heights {
		good := c.End >= 0 && i >= c.End
		out[i] = bar{Height: barHeight, Hot: c.Mark >= 0 && i >= c.Mark && !good, Good: good, Missing: math.IsNaN(h)}
		if !out[i].Missing {
			out[i].Height = 3 + int(math.Round(h*(barHeight-3)))
		}
	}
	return out
}

// letter is what the HTML is made of.
type letter struct {
	notice.Story
	Picture string // the content id of the curve; empty: bars are drawn instead
	Alt     string
}

// renderHTML gives a letter the form of an HTML mail: styles in place, because mail programs
// throw sheets away; one column; colours that hold on a dark page as well.
func renderHTML(l letter) (string, error) {
	var b strings.Builder
	if err := page.Execute(&b, l); err != nil {
		return "", err
	}
	return b.String(), nil
}
