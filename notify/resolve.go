package notify

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/epochwatch/epochwatch/internal/secret"
)

// secretField is one secret of the config with the file that may hold it.
type secretField struct {
	path  string // receivers[0].slack.token
	value *secret.Value
	file  string
}

// secrets lists every secret, in the order of the config.
func (c *Config) secrets() []secretField {
	var out []secretField
	for i := range c.Receivers {
		r := &c.Receivers[i]
		at := fmt.Sprintf("receivers[%d]", i)
		if s := r.Slack; s != nil {
			out = append(out,
				secretField{at + ".slack.webhook_url", &s.WebhookURL, s.WebhookURLFile},
				secretField{at + ".slack.token", &s.Token, s.TokenFile},
				secretField{at + ".slack.app_token", &s.AppToken, s.AppTokenFile})
		}
		if e := r.Email; e != nil {
			out = append(out, secretField{at + ".email.smtp", &e.SMTP, e.SMTPFile})
		}
		if w := r.Webhook; w != nil {
			out = append(out,
				secretField{at + ".webhook.url", &w.URL, w.URLFile},
				secretField{at + ".webhook.secret", &w.Secret, w.SecretFile})
		}
	}
	return out
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// Resolve fills in the secrets: ${NAME} from getenv, …_file from readFile (one line end at
// its end is dropped). It returns one error for each that cannot be had, by its path in the
// config. Resolving twice changes nothing.
func (c *Config) Resolve(getenv func(string) string, readFile func(string) ([]byte, error)) error {
	var errs []error
	for _, s := range c.secrets() {
		if err := s.resolve(getenv, readFile); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s secretField) resolve(getenv func(string) string, readFile func(string) ([]byte, error)) error {
	if s.file != "" {
		raw, err := readFile(s.file)
		if err != nil {
			return fmt.Errorf("%s_file: %w", s.path, err)
		}
		text := strings.TrimRight(string(raw), "\r\n")
		switch {
		case text == "":
			return fmt.Errorf("%s_file: %s is empty", s.path, s.file)
		case *s.value != "" && s.value.Reveal() != text:
			return fmt.Errorf("%s: given twice, here and as a file; keep one", s.path)
		}
		*s.value = secret.Value(text)
		return nil
	}
	var missing []string
	text := variable.ReplaceAllStringFunc(s.value.Reveal(), func(m string) string {
		name := m[2 : len(m)-1]
		v := getenv(name)
		if v == "" {
			missing = append(missing, name)
		}
		return v
	})
	if len(missing) > 0 {
		return fmt.Errorf("%s: the variable %s is not set", s.path, strings.Join(missing, ", "))
	}
	*s.value = secret.Value(text)
	return nil
}
