package restorepoint

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// docs/formats.md names every field of what is written.
func TestFormatsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Manifest](), reflect.TypeFor[SnapshotRecord](), reflect.TypeFor[Object](), reflect.TypeFor[Report](), reflect.TypeFor[DrillRecord](), reflect.TypeFor[Verification](), reflect.TypeFor[Part](), reflect.TypeFor[Pin](), reflect.TypeFor[DeletionMark](), reflect.TypeFor[Unit]()} {
		for _, name := range fieldNames(typ) {
			if !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), `"`+name+`":`) {
				t.Errorf("docs/formats.md does not explain %q of %s", name, typ.Name())
			}
		}
	}
}

// fieldNames lists the JSON names of a type and of those it is made of.
func fieldNames(t reflect.Type) []string {
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		return fieldNames(t.Elem())
	}
	if t.Kind() != reflect.Struct || !strings.HasSuffix(t.PkgPath(), "restorepoint") {
		return nil
	}
	var list []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" { // its fields stand in this one
			list = append(list, name)
		}
		list = append(list, fieldNames(t.Field(i).Type)...)
	}
	return list
}
