package rules

import (
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// usual are metrics that nearly every training has: a name one slip away from one of them
// is a slip.
var usual = []string{
	"loss", "accuracy", "precision", "recall", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
	"mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "learning_rate",
}

// misspelt returns which of the usual metrics was meant; empty where none.
func misspelt(name string) string {
	var known []string
	for _, u := range usual {
		known = append(known, u, "val_"+u)
	}
	if slices.Contains(known, name) {
		return ""
	}
	for _, k := range known {
		base, val := strings.CutPrefix(name, "val_")
		want, valToo := strings.CutPrefix(k, "val_")
		if !val || !valToo {
			base, want = name, k
		}
		// The first letter is seldom the slip, and d_loss or dloss are metrics.
		if base != "" && base[0] == want[0] && slip(base, want) {
			return k
		}
	}
	return ""
}

// slip reports whether a letter too many, one too few or two changed round makes b of a.
func slip(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	for i := range a {
		if len(a) == len(b)+1 && a[:i]+a[i+1:] == b {
			return true
		}
		if len(a) == len(b) && i > 0 && a[:i-1]+a[i:i+1]+a[i-1:i]+a[i+1:] == b && a != b {
			return true
		}
	}
	return false
}

func unknownName(n *ast.IdentifierNode) error {
	if _, ok := functions[n.Value]; ok || n.Value == "abs" {
		return wrong(n, "%s is a function: want it called, as in %s(\"loss\")", n.Value, n.Value)
	}
	names := slices.Sorted(maps.Keys(variables()))
	for _, v := range names {
		if slip(n.Value, v) {
			return wrong(n, "unknown name %.40q, did you mean %q?", n.Value, v)
		}
	}
	return wrong(n, "unknown name %.40q; of a metric: last(%.40q); known here: %s", n.Value, n.Value, strings.Join(names, ", "))
}

func unknownFunction(at ast.Node, name string) error {
	names := append(slices.Collect(maps.Keys(functions)), "abs")
	slices.Sort(names)
	if name == "abs" {
		return wrong(at, "abs is called with one number, as in abs(1 - epoch)")
	}
	for _, f := range names {
		if slip(name, f) || strings.ReplaceAll(strings.ToLower(name), "_", "") == strings.ReplaceAll(f, "_", "") {
			return wrong(at, "unknown function %.40q, did you mean %q?", name, f)
		}
	}
	return wrong(at, "unknown function %.40q, known here: %s", name, strings.Join(names, ", "))
}
