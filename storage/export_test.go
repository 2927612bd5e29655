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

// PartSizeFor is the part size chosen for an object.
func PartSizeFor(size int64) int64 { return partSizeFor(size, 16*mib) }

// FileKind classifies an error of the file system.
func FileKind(err error) error { return fileKind(err) }

// SetPatience is how long a store of an HTTP provider waits for a silent server, however much it works.
func SetPatience(s Store, d time.Duration) {
	t := httpTransport(s)
	t.stall = d
	for _, pool := range []*http.Transport{t.quick, t.works} {
		pool.ResponseHeaderTimeout, pool.TLSHandshakeTimeout = d, d
	}
}

func httpTransport(s Store) *transport {
	switch s := s.(type) {
	case *s3Store:
		return s.transport
	case *hmacStore:
		return s.transport
	case *gcsStore:
		return s.transport
	}
	panic("no HTTP provider")
}
