package web

// Routes returns the ways in, as "GET /path".
func Routes(o Options) (out []string) {
	for _, r := range (&server{o: o}).routes() {
		out = append(out, r.method+" "+r.path)
	}
	return out
}
