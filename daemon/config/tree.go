package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/internal/suggest"
)

// tree is a config file as read, with what is wrong with it.
type tree struct {
	file   string
	lines  []string
	root   ast.Node // nil for an empty file
	getenv func(string) (string, bool)
	at     map[string]*token.Token // path to the place of its key or item
	errs   Errors
}

// parseTree reads the syntax alone.
func parseTree(file string, text []byte, getenv func(string) (string, bool)) (*tree, error) {
	t := &tree{file: file, lines: strings.Split(string(text), "\n"), getenv: getenv, at: map[string]*token.Token{}}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, t.syntaxError(err)
	}
	docs := slices.DeleteFunc(slices.Clone(f.Docs), func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch {
	case len(docs) > 1:
		return nil, Errors{t.errorAt(docs[1].Body.GetToken(), "", "a second document begins here, a config is one")}
	case len(docs) == 1:
		t.root = docs[0].Body
	}
	switch t.root.(type) {
	case *ast.CommentGroupNode, *ast.NullNode: // nothing but comments
		t.root = nil
	}
	return t, nil
}

func (t *tree) syntaxError(err error) error {
	var y yaml.Error
	if !errors.As(err, &y) {
		return Errors{{File: t.file, Problem: strings.ReplaceAll(err.Error(), "\n", " ")}}
	}
	e := t.errorAt(y.GetToken(), "", "not YAML: "+y.GetMessage())
	e.Excerpt = t.key(e.Line)
	return Errors{e}
}

// key is a line up to the end of its key: what follows could be a secret.
func (t *tree) key(line int) string {
	if line < 1 || line > len(t.lines) {
		return ""
	}
	text := strings.TrimSpace(t.lines[line-1])
	before, _, found := strings.Cut(text, ":")
	if !found || len(before) > 60 || strings.ContainsAny(before, "{[\"'") {
		return ""
	}
	return before + ": …"
}

func (t *tree) errorAt(tk *token.Token, path, problem string) *Error {
	e := &Error{File: t.file, Path: path, Problem: problem}
	if tk != nil && tk.Position != nil {
		e.Line, e.Column = tk.Position.Line, tk.Position.Column
	}
	return e
}

func (t *tree) fail(tk *token.Token, path, format string, args ...any) {
	e := t.errorAt(tk, path, fmt.Sprintf(format, args...))
	e.Excerpt = t.excerpt(e.Line, path)
	t.errs = append(t.errs, e)
}

// excerpt is the line, or what of it may be shown.
func (t *tree) excerpt(line int, path string) string {
	if mayBeSecret(path) || line < 1 || line > len(t.lines) {
		return t.key(line)
	}
	text := []rune(strings.TrimSpace(t.lines[line-1]))
	if len(text) > 80 {
		return string(text[:79]) + "…"
	}
	return string(text)
}

// find is the place of a path, or of the longest beginning of it that the file has.
func (t *tree) find(path string) *token.Token {
	for path != "" {
		if tk := t.at[path]; tk != nil {
			return tk
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return nil
}

// leaf types read their node themselves.
var (
	nodeUnmarshaler  = reflect.TypeFor[yaml.NodeUnmarshaler]()
	bytesUnmarshaler = reflect.TypeFor[yaml.BytesUnmarshaler]()
	textUnmarshaler  = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// check holds the tree against a type: every unknown key and every wrong type is an
// error, ${NAME} is replaced, places are noted. The YAML library alone would stop at the
// first unknown key and take 2.5 for the whole number 2.
func (t *tree) check(node ast.Node, typ reflect.Type, path string) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch n := node.(type) {
	case *ast.AnchorNode:
		t.check(n.Value, typ, path)
		return
	case *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		t.fail(node.GetToken(), path, "anchors, aliases and tags are not used in a config")
		return
	case *ast.NullNode:
		return // a key with nothing behind it is a key left out
	}
	// notify fills in the secrets of receivers itself.
	if typ != reflect.TypeFor[secret.Value]() || !strings.HasPrefix(path, "receivers") {
		t.expand(node, path)
	}
	if p := reflect.PointerTo(typ); p.Implements(nodeUnmarshaler) {
		t.expandBelow(node, path)
		if err := reflect.New(typ).Interface().(yaml.NodeUnmarshaler).UnmarshalYAML(node); err != nil {
			t.fail(node.GetToken(), path, "%s%s", err, found(node, path))
		}
		return
	} else if p.Implements(bytesUnmarshaler) || p.Implements(textUnmarshaler) {
		if err := yaml.NodeToValue(node, reflect.New(typ).Interface()); err != nil {
			t.fail(node.GetToken(), path, "%s", message(err))
		}
		return
	}
	switch typ.Kind() {
	case reflect.Struct:
		t.checkStruct(node, typ, path)
	case reflect.Map:
		for key, value := range t.members(node, path) {
			t.check(value.Value, typ.Elem(), join(path, key))
		}
	case reflect.Slice:
		seq, ok := node.(*ast.SequenceNode)
		if !ok {
			t.fail(node.GetToken(), path, "want a list")
			return
		}
		for i, item := range seq.Values {
			at := fmt.Sprintf("%s[%d]", path, i)
			t.at[at] = item.GetToken()
			t.check(item, typ.Elem(), at)
		}
	default:
		t.checkScalar(node, typ, path)
	}
}

func (t *tree) checkStruct(node ast.Node, typ reflect.Type, path string) {
	known := fields(typ)
	for key, value := range t.members(node, path) {
		at := join(path, key)
		field, ok := known[key]
		if !ok {
			e := t.errorAt(value.Key.GetToken(), path, fmt.Sprintf("unknown key %.60q%s", key, suggest.Known(key, maps.Keys(known))))
			e.Excerpt = t.key(e.Line) // who mistakes a key may have put a secret behind it
			t.errs = append(t.errs, e)
			continue
		}
		t.check(value.Value, field, at)
	}
}

// members yields the keys of a mapping, and notes where they are.
func (t *tree) members(node ast.Node, path string) map[string]*ast.MappingValueNode {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		t.fail(node.GetToken(), path, "want keys and values%s", found(node, path))
		return nil
	}
	out := make(map[string]*ast.MappingValueNode, len(mapping.Values))
	for _, v := range mapping.Values {
		if v.Key.IsMergeKey() {
			t.fail(v.Key.GetToken(), path, "anchors, aliases and tags are not used in a config")
			continue
		}
		key := v.Key.GetToken().Value
		t.at[join(path, key)] = v.Key.GetToken()
		out[key] = v
	}
	return out
}

func (t *tree) checkScalar(node ast.Node, typ reflect.Type, path string) {
	scalar, ok := node.(ast.ScalarNode)
	if !ok {
		t.fail(node.GetToken(), path, "want one value, not a list or keys")
		return
	}
	text := fmt.Sprint(scalar.GetValue())
	switch {
	case typ.Kind() == reflect.Bool:
		if _, ok := node.(*ast.BoolNode); !ok {
			t.fail(node.GetToken(), path, "want true or false%s", found(node, path))
		}
	case typ.Kind() >= reflect.Int && typ.Kind() <= reflect.Int64:
		if _, err := strconv.ParseInt(text, 10, typ.Bits()); err != nil {
			t.fail(node.GetToken(), path, "want a whole number%s", found(node, path))
		}
	case typ.Kind() == reflect.Float64:
		if _, err := number(node); err != nil {
			t.fail(node.GetToken(), path, "%s%s", err, found(node, path))
		}
	}
}

// number reads a finite number; the YAML library takes 1e-6 for a text in some places.
func number(node ast.Node) (float64, error) {
	v, err := strconv.ParseFloat(node.GetToken().Value, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, errors.New("want a number")
	}
	return v, nil
}

// message takes the excerpt off an error of the YAML library: it may hold a secret.
func message(err error) string {
	if y, ok := errors.AsType[yaml.Error](err); ok {
		return y.GetMessage()
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}

// found says what stands in the file instead, unless it may be a secret.
func found(node ast.Node, path string) string {
	s, ok := node.(ast.ScalarNode)
	if !ok || mayBeSecret(path) {
		return ""
	}
	return fmt.Sprintf(", not %.60q", fmt.Sprint(s.GetValue()))
}

// open are the parts of a config that hold no secrets: what stands there may be shown.
var open = []string{"control", "detectors", "rules", "upkeep", "log", "route"}

func mayBeSecret(path string) bool {
	first, _, _ := strings.Cut(path, ".")
	first, _, _ = strings.Cut(first, "[")
	return !slices.Contains(open, first)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// fields are the keys of a struct with their types; embedded structs give theirs.
func fields(typ reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range typ.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.Anonymous && (name == "" || strings.Contains(options, "inline")) {
			maps.Copy(out, fields(f.Type))
			continue
		}
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		out[name] = f.Type
	}
	return out
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand replaces the variables of a text. It works on the parsed tree, so that a value
// cannot bring keys of its own.
func (t *tree) expand(node ast.Node, path string) {
	s, ok := node.(*ast.StringNode)
	if !ok || !strings.Contains(s.Value, "${") {
		return
	}
	s.Value = variable.ReplaceAllStringFunc(s.Value, func(m string) string {
		name := m[2 : len(m)-1]
		value, ok := t.getenv(name)
		if !ok || value == "" {
			t.fail(s.GetToken(), path, "the variable %.60q is not set", name)
		}
		return value
	})
}

func (t *tree) expandBelow(node ast.Node, path string) {
	switch n := node.(type) {
	case *ast.SequenceNode:
		for _, item := range n.Values {
			t.expand(item, path)
			t.expandBelow(item, path)
		}
	case *ast.MappingNode:
		for _, v := range n.Values {
			t.expand(v.Value, path)
			t.expandBelow(v.Value, path)
		}
	}
}
