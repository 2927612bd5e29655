package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starkeep/workflows/spec"
)

// decoder puts a YAML tree into the configuration's types. It exists because the library's own errors repeat values,
// which may be secrets, and name Go types instead of keys.
type decoder struct {
	dir   string         // where relative file names start
	lines map[string]int // of each key, by its path
	errs  []error
}

// maxErrors is how many errors are worth printing.
const maxErrors = 20

// fail notes an error of a key, with the line it stands in.
func (d *decoder) fail(path, format string, args ...any) {
	if len(d.errs) >= maxErrors {
		return
	}
	where := path
	if where == "" {
		where = "the file"
	}
	if line, ok := d.line(path); ok {
		where = fmt.Sprintf("%s (line %d)", where, line)
	}
	d.errs = append(d.errs, fmt.Errorf("  %s: %w", where, fmt.Errorf(format, args...)))
}

// line finds the line of a key, or of the nearest key around it.
func (d *decoder) line(path string) (int, bool) {
	for path != "" {
		if line, ok := d.lines[path]; ok {
			return line, true
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
	return 0, false
}

func (d *decoder) err() error { return errors.Join(d.errs...) }

// value puts a node into what to points to.
func (d *decoder) value(n *yaml.Node, to any, path string) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fail(path, "YAML anchors and aliases are not supported: write the value out")
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // as if the key were absent
	}
	switch to := to.(type) {
	case *Secret:
		d.secret(n, to, path)
	case *time.Duration:
		d.duration(n, to, path)
	case *Size:
		d.size(n, to, path)
	case *Span:
		d.duration(n, (*time.Duration)(to), path)
	case *Input:
		d.input(n, to, path)
	default:
		d.plain(n, reflect.ValueOf(to).Elem(), path)
	}
}

// plain handles the types that Go itself has.
func (d *decoder) plain(n *yaml.Node, to reflect.Value, path string) {
	switch to.Kind() {
	case reflect.Struct:
		d.object(n, to, path)
	case reflect.Map:
		d.names(n, to, path)
	case reflect.Slice:
		d.list(n, to, path)
	case reflect.String:
		if text, ok := d.scalar(n, path, "a text"); ok {
			to.SetString(text)
		}
	case reflect.Bool:
		d.boolean(n, to, path)
	case reflect.Int:
		d.number(n, to, path)
	}
}

// object handles a mapping whose keys we know.
func (d *decoder) object(n *yaml.Node, to reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fail(path, "want keys with values below it, such as %s", strings.Join(keysOf(to.Type()), ", "))
		return
	}
	d.pairs(n, path, func(key *yaml.Node, value *yaml.Node) {
		keyPath := join(path, key.Value)
		d.lines[keyPath] = key.Line
		field, ok := fieldOf(to.Type(), key.Value)
		if !ok {
			d.fail(keyPath, "unknown key: use one of %s", strings.Join(keysOf(to.Type()), ", "))
			return
		}
		d.value(value, to.Field(field).Addr().Interface(), keyPath)
	})
}

// names handles a mapping whose keys the user chooses: profiles, addresses, properties.
func (d *decoder) names(n *yaml.Node, to reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fail(path, "want names with values below it")
		return
	}
	if len(n.Content) == 0 {
		return
	}
	to.Set(reflect.MakeMap(to.Type()))
	d.pairs(n, path, func(key *yaml.Node, value *yaml.Node) {
		element := reflect.New(to.Type().Elem())
		if c, ok := element.Interface().(*Cluster); ok {
			c.setDefaults()
		}
		keyPath := join(path, key.Value)
		d.lines[keyPath] = key.Line
		d.value(value, element.Interface(), keyPath)
		to.SetMapIndex(reflect.ValueOf(key.Value), element.Elem())
	})
}

// pairs goes through a mapping's keys, each of which must be a text that occurs once.
func (d *decoder) pairs(n *yaml.Node, path string, pair func(key, value *yaml.Node)) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode || key.Value == "" || key.Anchor != "":
			d.fail(path, "line %d: a key must be a text", key.Line)
		case seen[key.Value]:
			d.fail(path, "line %d: the key %q is there twice", key.Line, key.Value)
		default:
			seen[key.Value] = true
			pair(key, n.Content[i+1])
		}
	}
}

func (d *decoder) list(n *yaml.Node, to reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fail(path, "want a list, as [a, b] or one item per line after a dash")
		return
	}
	if len(n.Content) == 0 {
		return
	}
	to.Set(reflect.MakeSlice(to.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		d.lines[itemPath] = item.Line
		d.value(item, to.Index(i).Addr().Interface(), itemPath)
	}
}

// scalar gives the text of a single value.
func (d *decoder) scalar(n *yaml.Node, path, want string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.fail(path, "want %s, not a list or keys", want)
		return "", false
	}
	return n.Value, true
}

func (d *decoder) boolean(n *yaml.Node, to reflect.Value, path string) {
	text, ok := d.scalar(n, path, "true or false")
	if !ok {
		return
	}
	if text != "true" && text != "false" {
		d.fail(path, "want true or false")
		return
	}
	to.SetBool(text == "true")
}

func (d *decoder) number(n *yaml.Node, to reflect.Value, path string) {
	text, ok := d.scalar(n, path, "a number")
	if !ok {
		return
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 0 {
		d.fail(path, "want a number, 0 or more")
		return
	}
	to.SetInt(int64(v))
}

func (d *decoder) duration(n *yaml.Node, to *time.Duration, path string) {
	text, ok := d.scalar(n, path, "a duration")
	if !ok {
		return
	}
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		d.fail(path, "want a duration above 0 with its unit, such as 500ms, 30s, 10m, 2h")
		return
	}
	*to = v
}

func (d *decoder) size(n *yaml.Node, to *Size, path string) {
	text, ok := d.scalar(n, path, "a number of bytes")
	if !ok {
		return
	}
	v, err := parseSize(text)
	if err != nil {
		d.fail(path, "%w", err)
		return
	}
	*to = v
}

func (d *decoder) secret(n *yaml.Node, to *Secret, path string) {
	if n.Kind != yaml.ScalarNode {
		d.fail(path, "%w", errLiteral)
		return
	}
	if n.Value == "" {
		return // no secret
	}
	s, err := parseSecret(n.Value, d.dir)
	if err != nil {
		d.fail(path, "%w", err)
		return
	}
	*to = s
}

func fieldOf(t reflect.Type, key string) (int, bool) {
	i := slices.Index(keysOf(t), key)
	return i, i >= 0
}

// keysOf lists a struct's keys, in the order of its fields.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

var quoted = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`")

// withoutQuotes takes what a parser repeats of the text out of its error.
func withoutQuotes(text string) string {
	return quoted.ReplaceAllString(strings.TrimPrefix(text, "yaml: "), "…")
}

// Size is a number of bytes.
type Size int64

func parseSize(text string) (Size, error) {
	n, err := spec.ParseBytes(text)
	return Size(n), err
}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		name  string
		bytes Size
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s >= u.bytes && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", s/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText makes `config show` print the size as it is written.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
