package storage

import (
	"crypto/md5"
	"encoding/binary"
	"hash"
	"hash/crc32"
)

// hdfsChunk is how many bytes the library gives one checksum.
const hdfsChunk = 512

// hdfsDigest computes what the DataNodes answer when asked for a file's checksum: the MD5 of the blocks' MD5s, each over the
// CRC32C of every 512 bytes, as they have stored them and checked against the data when it came in.
type hdfsDigest struct {
	blockSize int64
	size      int64

	block  hash.Hash // of the CRCs; nil before a block begins
	left   int64     // of the block
	crc    uint32    // of the chunk
	filled int       // bytes of the chunk
	four   [4]byte   // the chunk's CRC as it is digested
	sums   []byte    // of the blocks that are complete
}

func (d *hdfsDigest) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if d.block == nil {
			d.block, d.left = md5.New(), d.blockSize
		}
		n := int(min(int64(len(p)), int64(hdfsChunk-d.filled), d.left))
		d.crc = crc32.Update(d.crc, castagnoli, p[:n])
		d.filled, d.left, d.size, p = d.filled+n, d.left-int64(n), d.size+int64(n), p[n:]
		if d.filled == hdfsChunk || d.left == 0 {
			d.endChunk()
		}
		if d.left == 0 {
			d.endBlock()
		}
	}
	return written, nil
}

func (d *hdfsDigest) endChunk() {
	binary.BigEndian.PutUint32(d.four[:], d.crc)
	d.block.Write(d.four[:])
	d.crc, d.filled = 0, 0
}

func (d *hdfsDigest) endBlock() {
	d.sums = d.block.Sum(d.sums)
	d.block = nil
}

// sum ends the digest.
func (d *hdfsDigest) sum() []byte {
	if d.filled > 0 {
		d.endChunk()
	}
	if d.block != nil {
		d.endBlock()
	}
	// Hadoop digests its whole buffer, which grows by doubling from 32 bytes and holds zeros behind the sums.
	length := 32
	for length < len(d.sums) {
		length *= 2
	}
	padded := make([]byte, length)
	copy(padded, d.sums)
	digest := md5.Sum(padded)
	return digest[:]
}
