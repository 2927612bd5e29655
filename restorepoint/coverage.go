package restorepoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Asked is what a backup was asked for: its selection and its mirrors.
type Asked struct {
	Include []string `json:"include"`
	Exclude []string `json:"exclude"`
	Resume  string   `json:"resume"` // the selection is that of this point
	Mirrors []string `json:"mirrors"`
}

// Asked reads what a point's backup was asked for. An adopted point has been asked for nothing.
func (h PointHead) Asked() (Asked, error) {
	var a Asked
	if len(h.Spec) > 0 {
		if err := json.Unmarshal(h.Spec, &a); err != nil {
			return a, fmt.Errorf("the spec of restore point %s: %w", h.ID, err)
		}
	}
	if h.Selected != nil {
		a.Include, a.Exclude, a.Resume = h.Selected.Include, h.Selected.Exclude, ""
	}
	return a, nil
}

// AsksForAll tells whether the selection is for the whole database, but for what Exclude takes away from it on purpose.
func (s Selection) AsksForAll(database string) bool { return covers(s.Include, database, "", "") }

// ReadCoverage reads from r which databases a restore point holds; true for those of which nothing is missing that was asked
// for. Memory holds one table at a time.
func ReadCoverage(r io.Reader) (map[string]bool, error) {
	below := &source{Reader: r}
	d := json.NewDecoder(below)
	held := map[string]bool{}
	err := members(d, func(name string) error {
		switch name {
		case "formatVersion":
			var version string
			if err := d.Decode(&version); err != nil {
				return err
			}
			return checkVersion("manifest", version)
		case "databases":
			return elements(d, func() error { return databaseName(d, held) })
		case "failed":
			return elements(d, func() error { return failedDatabase(d, held) })
		}
		return d.Decode(&json.RawMessage{})
	})
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", below.or(err))
	}
	return held, nil
}

// databaseName reads a database of a manifest, of which only the name counts.
func databaseName(d *json.Decoder, held map[string]bool) error {
	return members(d, func(name string) error {
		switch name {
		case "name":
			var database string
			err := d.Decode(&database)
			held[database] = true
			return err
		case "tables":
			return elements(d, func() error { return d.Decode(&json.RawMessage{}) })
		}
		return d.Decode(&json.RawMessage{})
	})
}

func failedDatabase(d *json.Decoder, held map[string]bool) error {
	var failed FailedObject
	err := d.Decode(&failed)
	held[failed.Database] = false
	return err
}

// ReadHead reads a manifest's head from r: what stands before its databases. It reads no more than needed of the rest, and
// checks less than DecodeManifest.
func ReadHead(r io.Reader) (PointHead, error) {
	var m Manifest
	fields := map[string]any{"formatVersion": &m.FormatVersion, "id": &m.ID, "cluster": &m.Cluster, "repository": &m.Repository, "createdAt": &m.CreatedAt,
		"complete": &m.Complete, "parent": &m.Parent, "tags": &m.Tags, "origin": &m.Origin, "counts": &m.Counts, "selected": &m.Selected, "spec": &m.Spec, "snapshots": &m.Snapshots}
	below := &source{Reader: r}
	d := json.NewDecoder(below)
	err := members(d, func(name string) error {
		if name == "databases" {
			return errStopped
		}
		into, ok := fields[name]
		if !ok {
			into = &json.RawMessage{}
		}
		if err := d.Decode(into); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if name == "formatVersion" {
			return checkVersion("manifest", m.FormatVersion)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStopped) {
		return PointHead{}, fmt.Errorf("manifest: %w", below.or(err))
	}
	if _, err := ParsePointID(m.ID); err != nil {
		return PointHead{}, fmt.Errorf("manifest: %w: %w", ErrFormat, err)
	}
	return PointHead{PointSummary: m.Summary(), Spec: m.Spec, Selected: m.Selected, Snapshots: m.Snapshots}, nil
}

// PointHead is what stands before the tables of a manifest: its summary, what the backup was asked for, and the native
// snapshots that it needs.
type PointHead struct {
	PointSummary
	Spec      json.RawMessage
	Selected  *Selected
	Snapshots []SnapshotRef
}
