package storage

import "time"

// ShrinkParts gives an S3 store sizes that a test can fill: parts of an upload, and of a copy.
func ShrinkParts(s Store, part, single, copyPart int64) {
	o := s.(*s3Store)
	o.partSize, o.single, o.copyPart = part, single, copyPart
}

// PartSizeFor is the part size chosen for an object.
func PartSizeFor(size int64) int64 { return partSizeFor(size, 16*mib) }

// FileKind classifies an error of the file system.
func FileKind(err error) error { return fileKind(err) }

// SetStall is how long a read of an S3 store waits for a byte.
func SetStall(s Store, d time.Duration) { s.(*s3Store).stall = d }
