package restorepoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ErrFormat is returned for a file that is not what it should be, or that a newer starkeep wrote.
var ErrFormat = errors.New("unreadable file")

// EncodeManifest fills in the format version and the counts, checks the manifest and writes it as JSON.
func EncodeManifest(m Manifest) ([]byte, error) {
	m.FormatVersion = FormatVersion
	m.Counts = m.count()
	if m.Snapshots == nil {
		m.Snapshots = []SnapshotRef{}
	}
	if m.Databases == nil {
		m.Databases = []Database{}
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return encode(m)
}

// DecodeManifest reads a manifest and checks it. ErrFormat if it cannot be used.
func DecodeManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := decode("manifest", data, &m, &m.FormatVersion); err != nil {
		return Manifest{}, err
	}
	if err := m.Validate(); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return m, nil
}

// EncodeSnapshotRecord fills in the format version, checks the record and writes it as JSON.
func EncodeSnapshotRecord(r SnapshotRecord) ([]byte, error) {
	r.FormatVersion = FormatVersion
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return encode(r)
}

// DecodeSnapshotRecord reads a snapshot record and checks it. ErrFormat if it cannot be used.
func DecodeSnapshotRecord(data []byte) (SnapshotRecord, error) {
	var r SnapshotRecord
	if err := decode("snapshot record", data, &r, &r.FormatVersion); err != nil {
		return SnapshotRecord{}, err
	}
	if err := r.Validate(); err != nil {
		return SnapshotRecord{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return r, nil
}

// DecodeSummary reads a manifest's head from r and no more than needed of the rest, so that listing many large points
// is cheap. It checks less than DecodeManifest.
func DecodeSummary(r io.Reader) (PointSummary, error) {
	var m Manifest
	fields := map[string]any{"formatVersion": &m.FormatVersion, "id": &m.ID, "cluster": &m.Cluster, "repository": &m.Repository,
		"createdAt": &m.CreatedAt, "complete": &m.Complete, "parent": &m.Parent, "tags": &m.Tags, "origin": &m.Origin, "counts": &m.Counts}
	if err := decodeHead(json.NewDecoder(r), fields); err != nil {
		return PointSummary{}, fmt.Errorf("manifest: %w: %w", ErrFormat, err)
	}
	if err := checkVersion("manifest", m.FormatVersion); err != nil {
		return PointSummary{}, err
	}
	if _, err := ParsePointID(m.ID); err != nil {
		return PointSummary{}, fmt.Errorf("manifest: %w: %w", ErrFormat, err)
	}
	return m.Summary(), nil
}

// decodeHead reads members of the object until "counts" has been read, which ends a manifest's head.
func decodeHead(d *json.Decoder, fields map[string]any) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(err, errors.New("not a JSON object"))
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		into, ok := fields[name]
		if !ok {
			into = &json.RawMessage{}
		}
		if err := d.Decode(into); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if name == "counts" {
			return nil
		}
	}
	return errors.New(`no "counts"`)
}

// Digest is the SHA-256 of a file's bytes in hex, as manifests and records hold it.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// encode writes JSON on one line. Names and SQL keep their < > &.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// decode looks at the version before anything else: a newer format need not fit into our types.
func decode(what string, data []byte, into any, version *string) error {
	var head struct {
		FormatVersion string `json:"formatVersion"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("%s: %w: %w", what, ErrFormat, err)
	}
	if err := checkVersion(what, head.FormatVersion); err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w: %w", what, ErrFormat, err)
	}
	*version = head.FormatVersion
	return nil
}

func checkVersion(what, version string) error {
	text, _, _ := strings.Cut(version, ".")
	ours, _, _ := strings.Cut(FormatVersion, ".")
	major, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%s: %w: formatVersion %q is none of starkeep's", what, ErrFormat, version)
	}
	if text != ours {
		return fmt.Errorf("%s: %w: its format is version %d, this starkeep reads version %s: use a newer starkeep", what, ErrFormat, major, ours)
	}
	return nil
}
