package starrockssim

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"starkeep/test/starrockssim/mysqlwire"
)

// murmurSeed is what murmur_hash3_32 begins with.
const murmurSeed = 104729

// murmurHash is murmur_hash3_32(text, …): NULL if an argument is, each argument hashed with the hash before it as the
// seed.
func murmurHash(args []mysqlwire.Value) mysqlwire.Value {
	hash := uint32(murmurSeed)
	for _, a := range args {
		if !a.Valid {
			return mysqlwire.Null
		}
		hash = murmur3([]byte(a.Text), hash)
	}
	return mysqlwire.Text(strconv.FormatInt(int64(int32(hash)), 10))
}

// murmur3 is the 32-bit variant of MurmurHash3.
func murmur3(data []byte, seed uint32) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	hash := seed
	n := len(data)
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * c1
		k = bits.RotateLeft32(k, 15) * c2
		hash = bits.RotateLeft32(hash^k, 13)*5 + 0xe6546b64
	}
	var tail uint32
	for i := len(data) - 1; i >= 0; i-- {
		tail = tail<<8 | uint32(data[i])
	}
	if len(data) > 0 {
		hash ^= bits.RotateLeft32(tail*c1, 15) * c2
	}
	hash ^= uint32(n)
	hash = (hash ^ hash>>16) * 0x85ebca6b
	hash = (hash ^ hash>>13) * 0xc2b2ae35
	return hash ^ hash>>16
}
