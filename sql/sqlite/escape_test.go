package sqlite_test

import "net/url"

func escape(path string) string { return (&url.URL{Path: path}).EscapedPath() }
