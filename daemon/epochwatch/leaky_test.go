package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// leaky HTTP SMTP: services that refuse everything and say in the refusal all that they were
// sent. Their addresses are put into the environment variables.
func leaky(ts *testscript.TestScript, _ bool, args []string) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := httputil.DumpRequest(r, true)
		if err != nil {
			sent = []byte(err.Error())
		}
		said := fmt.Sprintf("refused: %q", sent)
		if strings.HasPrefix(r.URL.Path, "/api/") { // as Slack's web API says it
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"ok": false, "error": said})
			return
		}
		http.Error(w, said, http.StatusBadRequest)
	}))
	ts.Defer(web.Close)
	ts.Setenv(args[0], web.Listener.Addr().String())

	var lc net.ListenConfig
	mail, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = mail.Close() })
	ts.Setenv(args[1], mail.Addr().String())
	go func() {
		for {
			c, err := mail.Accept()
			if err != nil {
				return
			}
			go refuseLogin(c)
		}
	}()
}

// refuseLogin speaks SMTP up to the login, and repeats that when it refuses it.
func refuseLogin(c net.Conn) {
	defer func() { _ = c.Close() }()
	fmt.Fprint(c, "220 leaky\r\n")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		command, rest, _ := strings.Cut(lines.Text(), " ")
		switch strings.ToUpper(command) {
		case "EHLO":
			fmt.Fprint(c, "250-leaky\r\n250 AUTH PLAIN\r\n")
		case "AUTH":
			_, given, _ := strings.Cut(rest, " ")
			login, _ := base64.StdEncoding.DecodeString(given)
			fmt.Fprintf(c, "535 5.7.8 not %s, that is %q\r\n", given, login)
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprintf(c, "502 5.5.1 not %q\r\n", lines.Text())
		}
	}
}
