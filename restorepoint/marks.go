package restorepoint

import "time"

const (
	markFile = "deleting.json"
	pinFile  = "pin.json"
)

// MarkKey is where the mark of a native snapshot lies that is going to be deleted.
func MarkKey(cluster, label string) string { return SnapshotPrefix(cluster, label) + markFile }

// PointMarkKey is where a prune says that it is deleting a restore point, from before it looks for a pin.
func PointMarkKey(cluster, point string) string { return PointPrefix(cluster) + point + "/" + markFile }

// PinKey is where the pin of a restore point lies.
func PinKey(cluster, point string) string { return PointPrefix(cluster) + point + "/" + pinFile }

// DeletionMark says that a native snapshot is going to be deleted: no new restore point may refer to it. That of a restore
// point has MarkedAt and Run alone.
type DeletionMark struct {
	FormatVersion string    `json:"formatVersion"`
	MarkedAt      time.Time `json:"markedAt"`
	DeleteAfter   time.Time `json:"deleteAfter,omitzero"` // its objects stay until then
	Run           string    `json:"run"`                  // workflow id of the prune
	// Native is the name in StarRocks of the repository whose directory holds the snapshot; "" if its objects are not
	// starkeep's, and stay.
	Native  string `json:"native,omitempty"`
	Objects int64  `json:"objects,omitempty"` // as far as it is known
	Bytes   int64  `json:"bytes,omitempty"`
	Debris  bool   `json:"debris,omitempty"` // no restore point ever referred to it, as far as is known
	// DeletedAt is when everything but the mark was gone.
	DeletedAt time.Time `json:"deletedAt,omitzero"`
}

// EncodeMark writes a mark as JSON.
func EncodeMark(m DeletionMark) ([]byte, error) {
	m.FormatVersion = FormatVersion
	return encode(m)
}

// DecodeMark reads a mark. ErrFormat if it cannot be used.
func DecodeMark(data []byte) (DeletionMark, error) {
	var m DeletionMark
	err := decode("deletion mark", data, &m, &m.FormatVersion)
	return m, err
}

// Pin protects a restore point from being pruned.
type Pin struct {
	FormatVersion string    `json:"formatVersion"`
	At            time.Time `json:"at"`
	Reason        string    `json:"reason,omitempty"`
	By            string    `json:"by,omitempty"`
}

// EncodePin writes a pin as JSON.
func EncodePin(p Pin) ([]byte, error) {
	p.FormatVersion = FormatVersion
	return encode(p)
}

// DecodePin reads a pin. ErrFormat if it cannot be used.
func DecodePin(data []byte) (Pin, error) {
	var p Pin
	err := decode("pin", data, &p, &p.FormatVersion)
	return p, err
}

// SnapshotsPrefix is the prefix of what is known of all native snapshots of a cluster.
func SnapshotsPrefix(cluster string) string { return ClusterPrefix(cluster) + "snapshots/" }
