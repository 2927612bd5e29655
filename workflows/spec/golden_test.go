package spec_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"starkeep/workflows/spec"
)

var update = flag.Bool("update", false, "write testdata/*.json anew; a difference there is a change of the public format")

// public are the structs that people, schedules and other programs write and read.
var public = map[string]any{
	"backup":            &spec.Backup{},
	"backup-result":     &spec.BackupResult{},
	"restore":           &spec.Restore{},
	"restore-result":    &spec.RestoreResult{},
	"undo-window":       &spec.UndoWindow{},
	"undo-result":       &spec.UndoResult{},
	"inspect":           &spec.Inspect{},
	"inspect-result":    &spec.InspectResult{},
	"progress":          &spec.Progress{},
	"database-progress": &spec.DatabaseProgress{},
	"job-progress":      &spec.JobProgress{},
	"limits":            &spec.Limits{},
	"adopt":             &spec.Adopt{},
	"adopt-result":      &spec.AdoptResult{},
	"drill":             &spec.Drill{},
	"drill-result":      &spec.DrillResult{},
	"verify":            &spec.Verify{},
	"verify-result":     &spec.VerifyResult{},
	"export":            &spec.Export{},
	"export-result":     &spec.ExportResult{},
	"migrate":           &spec.Migrate{},
	"migrate-result":    &spec.MigrateResult{},
	"migrate-progress":  &spec.MigrateProgress{},
	"migrate-answer":    &spec.MigrateAnswer{},
	"pause":             &spec.Pause{},
	"prune":             &spec.Prune{},
	"prune-result":      &spec.PruneResult{},
	"pin":               &spec.Pin{},
	"pin-result":        &spec.PinResult{},
	"copy":              &spec.Copy{},
	"copy-limits":       &spec.CopyLimits{},
	"copy-offer":        &spec.CopyOffer{},
	"copy-result":       &spec.CopyResult{},
	"pause-result":      &spec.PauseResult{},
	"timetable":         &spec.Timetable{},

	"create-repository":        &spec.CreateRepository{},
	"create-repository-result": &spec.CreateRepositoryResult{},
	"drop-repository":          &spec.DropRepository{},
	"drop-repository-result":   &spec.DropRepositoryResult{},
	"check-repository":         &spec.CheckRepository{},
	"check-repository-result":  &spec.CheckRepositoryResult{},
}

// TestThePublicFormatStaysAsItIs fails when a field of an input or a result is renamed, removed or added. Adding is
// fine (-update); the others break schedules, scripts and runs under way.
func TestThePublicFormatStaysAsItIs(t *testing.T) {
	for name, value := range public {
		t.Run(name, func(t *testing.T) {
			fill(reflect.ValueOf(value).Elem())
			got, err := json.MarshalIndent(value, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the JSON of %T changed: it is\n%s\nand was\n%s", value, got, want)
			}
			read := reflect.New(reflect.TypeOf(value).Elem())
			if err := json.Unmarshal(want, read.Interface()); err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
			if again, _ := json.MarshalIndent(read.Interface(), "", "  "); !bytes.Equal(append(again, '\n'), want) {
				t.Errorf("a round trip through JSON loses something:\n%s\nwas\n%s", again, want)
			}
		})
	}
}

func TestFieldsAreLeftOutWhereTheyAreEmpty(t *testing.T) {
	for want, value := range map[string]any{
		`{"cluster":"c","repository":"r"}`: spec.Backup{Cluster: "c", Repository: "r"},
		`{"cluster":"d","repository":"r"}`: spec.Restore{Cluster: "d", Repository: "r"},
		`{"read":"jobs","cluster":"c"}`:    spec.Inspect{Read: "jobs", Cluster: "c"},
		`{"parallelDatabases":1}`:          spec.Limits{ParallelDatabases: 1},
	} {
		if got, _ := json.Marshal(value); string(got) != want {
			t.Errorf("%T is written as %s, want %s", value, got, want)
		}
	}
}

// fill gives every exported field a value, so that none is left out of the JSON.
func fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[json.RawMessage]() {
		v.SetBytes([]byte(`{"any": "JSON"}`))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("name").Convert(v.Type().Key()), reflect.ValueOf("value").Convert(v.Type().Elem()))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(60_000_000_000) // a minute, where it is a duration
	}
}
