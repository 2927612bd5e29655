package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Duration is a time.Duration written as people write it: "90s", "10m", "72h". Zero means the default.
type Duration time.Duration

// MarshalJSON writes the duration as text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads text such as "10m"; a bare number is refused because its unit would be a guess.
func (d *Duration) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf(`a duration is text with a unit, like "10m"`)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`%q is not a duration; write it like "90s", "10m" or "72h"`, text)
	}
	*d = Duration(parsed)
	return nil
}

// Or returns the duration, or def where it is zero.
func (d Duration) Or(def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return time.Duration(d)
}

// problems holds what was wrong with an input's JSON. Decoding itself never fails: Temporal would retry a workflow
// task that cannot read its input for ever, without telling the user why.
type problems []string

// decode reads data into a struct pointer field by field and tells everything that is wrong with it.
func decode(data []byte, into any) problems {
	if found := secretsIn(data); len(found) > 0 {
		return found
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return problems{"the input is not a JSON object: " + err.Error()}
	}
	var wrong problems
	target := reflect.ValueOf(into).Elem()
	for i := range target.NumField() {
		name := fieldName(target.Type().Field(i))
		value, given := fields[name]
		if name == "" || !given {
			continue
		}
		delete(fields, name)
		if err := json.Unmarshal(value, target.Field(i).Addr().Interface()); err != nil {
			wrong = append(wrong, typeProblem(name, err))
		}
	}
	for name := range fields {
		wrong = append(wrong, fmt.Sprintf("field %q does not exist; the fields are %s", name, strings.Join(fieldNames(target.Type()), ", ")))
	}
	slices.Sort(wrong)
	return wrong
}

func fieldName(f reflect.StructField) string {
	if !f.IsExported() {
		return ""
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name := fieldName(t.Field(i)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// typeProblem says in an operator's words which kind of value a field got, and which it wants. It never repeats the value.
func typeProblem(field string, err error) string {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return fmt.Sprintf("field %q: %v", field, err)
	}
	got, _, _ := strings.Cut(wrong.Value, " ") // "number 1.5" → "number"
	return fmt.Sprintf("field %q: got %s, want %s", field, got, wanted(wrong.Type))
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return `text, like "a"`
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return `a list, like ["a", "b"]`
	case reflect.Map:
		return `an object of texts, like {"a": "b"}`
	}
	return "a whole number"
}

var profileName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// checkName reports a profile name that is missing or could not be a key or part of a workflow id.
func (p *problems) checkName(field, value string, required bool) {
	if value == "" {
		if required {
			*p = append(*p, fmt.Sprintf("field %q is missing; name a profile of the worker's configuration", field))
		}
		return
	}
	if !profileName.MatchString(value) || value == "." || value == ".." {
		*p = append(*p, fmt.Sprintf("field %q is %q; a name has 1 to 64 letters, digits, '_', '-' or '.', and no slash", field, value))
	}
}

func (p *problems) checkNotNegative(field string, value int64) {
	if value < 0 {
		*p = append(*p, fmt.Sprintf("field %q is %d; give a positive number, or leave it out for the default", field, value))
	}
}

func (p *problems) checkOneOf(field, value string, allowed ...string) {
	if value == "" || slices.Contains(allowed, value) {
		return
	}
	*p = append(*p, fmt.Sprintf("field %q is %q; it is one of %s", field, value, strings.Join(allowed, ", ")))
}

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// err is nil or one error with every problem in it.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(p, "; "))
}
