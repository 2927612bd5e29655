package restorepoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// PlacedTable is a table of a manifest with the database it is in.
type PlacedTable struct {
	Database string
	Table
}

// before tells the order of manifests: by database, then by name.
func (t PlacedTable) before(o PlacedTable) bool {
	return t.Database < o.Database || t.Database == o.Database && t.Name < o.Name
}

// ReadTables yields the tables of a manifest as they arrive, in the order of manifests: by database, then by name. Memory
// holds one table at a time. An error is yielded once, as the last element: ErrFormat, or r's own. It checks less than
// DecodeManifest.
func ReadTables(r io.Reader) iter.Seq2[PlacedTable, error] {
	return func(yield func(PlacedTable, error) bool) {
		below := &source{Reader: r}
		s := tableStream{d: json.NewDecoder(below), yield: yield}
		if err := s.manifest(); err != nil && !errors.Is(err, errStopped) {
			yield(PlacedTable{}, fmt.Errorf("manifest: %w", below.or(err)))
		}
	}
}

type tableStream struct {
	d     *json.Decoder
	yield func(PlacedTable, error) bool
	last  PlacedTable
	any   bool
}

func (s *tableStream) manifest() error {
	return members(s.d, func(name string) error {
		switch name {
		case "formatVersion":
			var version string
			if err := s.d.Decode(&version); err != nil {
				return err
			}
			return checkVersion("manifest", version)
		case "databases":
			return elements(s.d, s.database)
		}
		return s.d.Decode(&json.RawMessage{})
	})
}

func (s *tableStream) database() error {
	database := ""
	return members(s.d, func(name string) error {
		switch name {
		case "name":
			return s.d.Decode(&database)
		case "tables":
			return elements(s.d, func() error { return s.table(database) })
		}
		return s.d.Decode(&json.RawMessage{})
	})
}

func (s *tableStream) table(database string) error {
	t := PlacedTable{Database: database}
	if err := s.d.Decode(&t.Table); err != nil {
		return err
	}
	if s.any && !s.last.before(t) {
		return fmt.Errorf("table %q.%q stands after %q.%q: tables must be sorted", t.Database, t.Name, s.last.Database, s.last.Name)
	}
	s.last, s.any = PlacedTable{Database: database, Table: Table{Name: t.Name}}, true
	if !s.yield(t, nil) {
		return errStopped
	}
	return nil
}

// members goes through an object; member reads the value of each.
func members(d *json.Decoder, member func(name string) error) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(err, errors.New("want a JSON object"))
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// elements goes through a list, which may be null; element reads each.
func elements(d *json.Decoder, element func() error) error {
	t, err := d.Token()
	if t == nil && err == nil {
		return nil
	}
	if err != nil || t != json.Delim('[') {
		return errors.Join(err, errors.New("want a JSON list"))
	}
	for d.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
