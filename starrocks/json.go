package starrocks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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
	fields, err := objectFields(data)
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

// objectFields finds the fields of the object that valid JSON text holds.
func objectFields(data []byte) ([]field, error) {
	i := skipSpace(data, 0)
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
