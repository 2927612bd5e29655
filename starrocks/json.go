package starrocks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// __info and __meta hold 64-bit ids and go back to StarRocks: they are decoded into integers and raw bytes, and edited
// by replacing single keys and values in the text (rule 23).

// unmarshal decodes one JSON value and nothing after it.
func unmarshal(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more than one JSON value")
	}
	return nil
}

// ordered is a JSON object whose keys keep their order and occur once.
type ordered[T any] []entry[T]

type entry[T any] struct {
	key   string
	value T
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *ordered[T]) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	fields, err := objectFields(data, 0)
	if err != nil {
		return err
	}
	list := make(ordered[T], len(fields))
	for i, f := range fields {
		list[i].key = f.key
		if err := json.Unmarshal(data[f.value.from:f.value.to], &list[i].value); err != nil {
			return fmt.Errorf("%q: %w", f.key, err)
		}
	}
	*o = list
	return nil
}

// span is a half-open range of bytes.
type span struct{ from, to int }

// field is a key and its value in a JSON object's text: where they stand, with the key's quotes.
type field struct {
	key   string
	name  span
	value span
}

// objectFields finds the fields of the object that stands at from in valid JSON text.
func objectFields(data []byte, from int) ([]field, error) {
	i := skipSpace(data, from)
	if i >= len(data) || data[i] != '{' {
		return nil, fmt.Errorf("not a JSON object")
	}
	var fields []field
	seen := map[string]bool{}
	for i = skipSpace(data, i+1); data[i] != '}'; i = skipSpace(data, i) {
		if data[i] == ',' {
			i = skipSpace(data, i+1)
		}
		f := field{name: span{i, skipValue(data, i)}}
		if err := json.Unmarshal(data[f.name.from:f.name.to], &f.key); err != nil {
			return nil, err
		}
		if seen[f.key] {
			return nil, fmt.Errorf("%q stands twice in one JSON object", f.key)
		}
		seen[f.key] = true
		from := skipSpace(data, skipSpace(data, f.name.to)+1)
		i = skipValue(data, from)
		f.value = span{from, i}
		fields = append(fields, f)
	}
	return fields, nil
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// skipValue is the end of the value that begins at i in valid JSON.
func skipValue(data []byte, i int) int {
	depth := 0
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = skipString(data, i) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
			continue
		default:
			if depth == 0 && !endsNumber(data, i+1) {
				continue
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
	return i
}

func endsNumber(data []byte, i int) bool {
	return i >= len(data) || bytes.IndexByte([]byte(",:]} \t\r\n"), data[i]) >= 0
}

func skipString(data []byte, i int) int {
	for i++; i < len(data) && data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// edits replace spans of a text, each once.
type edits struct {
	text []byte
	list []edit
}

type edit struct {
	at span
	by []byte
}

// name puts a string in the place of a span.
func (e *edits) name(at span, to string) {
	e.list = append(e.list, edit{at, quoteJSON(to)})
}

// apply gives the text with all replacements made.
func (e *edits) apply() []byte {
	slices.SortFunc(e.list, func(a, b edit) int { return a.at.from - b.at.from })
	out := make([]byte, 0, len(e.text)+64*len(e.list))
	done := 0
	for _, x := range e.list {
		out = append(append(out, e.text[done:x.at.from]...), x.by...)
		done = x.at.to
	}
	return append(out, e.text[done:]...)
}

// quoteJSON is a JSON string, with <, > and & as they are.
func quoteJSON(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// lookup finds a field by key.
func lookup(fields []field, key string) (field, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// child is the fields of the object that stands under key; none if there is no such key.
func child(data []byte, fields []field, key string) ([]field, error) {
	f, ok := lookup(fields, key)
	if !ok {
		return nil, nil
	}
	inner, err := objectFields(data, f.value.from)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", key, err)
	}
	return inner, nil
}

// stringField is the string that stands under key.
func stringField(data []byte, fields []field, key string) (string, field, error) {
	f, ok := lookup(fields, key)
	if !ok {
		return "", f, fmt.Errorf("no %q", key)
	}
	var s string
	if err := json.Unmarshal(data[f.value.from:f.value.to], &s); err != nil {
		return "", f, fmt.Errorf("%q: %w", key, err)
	}
	return s, f, nil
}
