package storage

import (
	"net/http"
	"time"
)

// ShrinkParts gives an S3 store sizes that a test can fill: parts of an upload, and of a copy.
func ShrinkParts(s Store, part, single, copyPart int64) {
	o := s.(*s3Store)
	o.partSize, o.single, o.copyPart = part, single, copyPart
}

// ShrinkUploads makes a store of an HTTP provider put what is larger than a part in parts; S3's least are 5 MiB.
func ShrinkUploads(s Store, part int64) {
	switch s := s.(type) {
	case *s3Store:
		s.partSize, s.single = part, part
	case *hmacStore:
		s.partSize, s.single = part, part
	case *gcsStore:
		s.chunk, s.single = int(part), part
	}
}

// PartSizeFor is the part size chosen for an object.
func PartSizeFor(size int64) int64 { return partSizeFor(size, partUnit) }

// FileKind classifies an error of the file system.
func FileKind(err error) error { return fileKind(err) }

// SetPatience is how long a store waits for a silent server, however much that works.
func SetPatience(s Store, d time.Duration) {
	switch s := s.(type) {
	case *s3Store:
		s.transport.setPatience(d)
	case *hmacStore:
		s.transport.setPatience(d)
	case *gcsStore:
		s.transport.setPatience(d)
	case *hdfsStore:
		SetHDFSWait(s, d)
	}
}

func (t *transport) setPatience(d time.Duration) {
	t.stall = d
	for _, pool := range []*http.Transport{t.quick, t.works} {
		pool.ResponseHeaderTimeout, pool.TLSHandshakeTimeout = d, d
	}
}

// ShortenPauses makes the pauses between attempts short. No store may be in use.
func ShortenPauses() { requestBackoff, resumeBackoff = 200*time.Millisecond, 10*time.Millisecond }

// RouteDataNodes says where an HDFS store finds them.
func RouteDataNodes(s Store, route func(address string) string) { s.(*hdfsStore).route = route }

// CRC is a content's CRC-32C as GCS writes it.
func CRC(data []byte) string { return *checksum(data) }

// NextTo tells whether the server of one Store can copy from another.
func NextTo(from, to Store) bool { return neighbourOf(from, to) != nil }
