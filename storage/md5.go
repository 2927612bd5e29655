package storage

import (
	"crypto/md5"
	"hash"

	md5simd "github.com/minio/md5-simd"
)

// hashedTogether is the size from which objects are hashed in lanes: below it handing over costs more than it saves.
const hashedTogether = mib

// md5Lanes computes the MD5 of several bodies at once, in the lanes of a core's vector unit: the MD5 of one body cannot
// be divided. Where the machine has no such unit it hashes one after another.
type md5Lanes struct{ server md5simd.Server }

func newMD5Lanes() md5Lanes { return md5Lanes{md5simd.NewServer()} }

func (l md5Lanes) close() { l.server.Close() }

// hash is for a body of that size; end it when the body is not read any more.
func (l md5Lanes) hash(size int64) (sum hash.Hash, end func()) {
	if size < hashedTogether {
		return md5.New(), func() {}
	}
	lane := l.server.NewHash()
	return lane, lane.Close
}
