package postgres

// columns gathers rows as one array for each column, which is how unnest takes them.
type columns [][]any

func newColumns(n int) columns { return make(columns, n) }

// add appends one row.
func (c columns) add(row ...any) {
	for i, v := range row {
		c[i] = append(c[i], v)
	}
}

// arrays returns the arguments of the statement.
func (c columns) arrays() []any {
	out := make([]any, len(c))
	for i := range c {
		if c[i] == nil {
			c[i] = []any{} // a nil slice would be null, of which unnest makes no rows but no types either
		}
		out[i] = c[i]
	}
	return out
}
