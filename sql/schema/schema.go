// Package schema holds the numbered migrations of both engines. The two folders have the
// same numbers and names, so that one number tells what a database holds.
package schema

import (
	"embed"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed postgres/*.sql sqlite/*.sql
var files embed.FS

// Postgres returns the migrations of Postgres, SQLite those of SQLite.
func Postgres() fs.FS { return folder("postgres") }

// SQLite returns the migrations of SQLite.
func SQLite() fs.FS { return folder("sqlite") }

func folder(name string) fs.FS {
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic(err) // the name is one of the two above
	}
	return sub
}

// Latest returns the number of the newest migration, the same for both engines.
func Latest() int64 {
	entries, err := fs.ReadDir(files, "sqlite")
	if err != nil {
		panic(err) // the folder is embedded
	}
	var latest int64
	for _, e := range entries {
		digits, _, _ := strings.Cut(e.Name(), "_")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			panic("schema: " + e.Name() + " has no number") // the test of this package finds it first
		}
		latest = max(latest, n)
	}
	return latest
}
