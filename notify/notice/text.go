package notice

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	textWidth  = 72
	labelWidth = 9
)

// Text is the story in plain text, at most 72 columns where words allow it, without the
// subject. It ends with a newline.
func (s Story) Text() string {
	var b strings.Builder
	b.WriteString(strings.ToUpper(s.Mood) + "  " + s.Run + "\n\n")
	if s.Summary != "" {
		for _, line := range wrap(s.Summary, textWidth) {
			b.WriteString(line + "\n")
		}
		b.WriteByte('\n')
	}
	row := func(label string, texts ...string) {
		for i, text := range texts {
			if i > 0 {
				label = ""
			}
			for j, line := range wrap(text, textWidth-labelWidth) {
				if j > 0 {
					label = ""
				}
				b.WriteString(pad(label, labelWidth) + line + "\n")
			}
		}
	}
	row("Since", s.Since)
	row("Numbers", strings.Join(s.Numbers, ", "))
	row("Sure", s.Sure)
	for i, line := range s.CurveLines() {
		label := ""
		if i == 0 {
			label = "Curve"
		}
		b.WriteString(strings.TrimRight(pad(label, labelWidth)+line, " ") + "\n")
	}
	row("Done", s.Done...)
	row("Answers", s.Answers...)
	row("Try", bullets(s.Advice)...)
	row("Also", bullets(s.Also)...)
	row("Runs", bullets(s.Others)...)
	for _, l := range s.Lists {
		row(l.Name, bullets(l.Lines)...)
	}
	look := []string{s.Look}
	if s.Link != "" {
		look = append(look, s.Link)
	}
	row("Look", look...)
	row("Mute", s.Mute)
	return b.String()
}

func bullets(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = "- " + t
	}
	return out
}

// CurveLines draws the curves below each other for a fixed-width font, with a mark under
// the onset where it is in sight.
func (s Story) CurveLines() []string {
	name, spark := 0, 0
	for _, c := range s.Curves {
		name = max(name, utf8.RuneCountInString(c.Name))
		spark = max(spark, utf8.RuneCountInString(c.Spark))
	}
	var out []string
	mark, from := -1, 0
	for _, c := range s.Curves {
		line := pad(c.Name, name) + " " + pad(c.Spark, spark) + " " + c.First + " → " + c.Last
		if c.Log {
			line += " log"
		}
		out = append(out, line)
		if mark < 0 {
			mark, from = c.Mark, c.From
		}
	}
	if mark >= 0 {
		line := strings.Repeat(" ", name+1+mark) + "^ epoch " + strconv.Itoa(s.Onset)
		if from > 0 {
			line += " (drawn from " + strconv.Itoa(from) + ")"
		}
		out = append(out, line)
	}
	return out
}

// wrap breaks text into lines of at most width runes at its spaces; the first word after a
// bullet hangs.
func wrap(text string, width int) []string {
	if text == "" {
		return nil
	}
	indent := ""
	if strings.HasPrefix(text, "- ") {
		indent = "  "
	}
	var out []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			out = append(out, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	return append(out, line)
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
}
