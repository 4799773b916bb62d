package email

import (
	_ "embed"
	"html/template"
	"strings"

	"github.com/epochwatch/epochwatch/notify/notice"
)

//go:embed message.html
var messageHTML string

var page = template.Must(template.New("message").Funcs(template.FuncMap{
	"join":  func(s []string) string { return strings.Join(s, "\n") },
	"upper": strings.ToUpper,
}).Parse(messageHTML))

// renderHTML gives a story the form of an HTML mail: styles in place, because mail programs
// throw sheets away; one column; colours that hold on a dark page as well.
func renderHTML(s notice.Story) (string, error) {
	var b strings.Builder
	if err := page.Execute(&b, s); err != nil {
		return "", err
	}
	return b.String(), nil
}
