package bench

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// BenchmarkI_Incremental: all that StarRocks writes for an incremental backup after one partition in a hundred was loaded
// into, against what it wrote for the full one.
func BenchmarkI_Incremental(b *testing.B) {
	const partitions, changed, rows, rowBytes = 300, 3, 4, 64 << 10
	bed := testbed.Start(b, testbed.Options{Patience: 20})
	bed.StartWorker(b)
	var parts []string
	var data, more [][]string
	random := rand.NewChaCha8([32]byte{})
	for i := range partitions {
		parts = append(parts, fmt.Sprintf(`PARTITION p%03d VALUES LESS THAN ("%d")`, i, i+1))
		for range rows {
			raw := make([]byte, rowBytes/2)
			_, _ = random.Read(raw)
			data = append(data, []string{fmt.Sprint(i), hex.EncodeToString(raw)})
		}
		if i%(partitions/changed) == 0 {
			more = append(more, []string{fmt.Sprint(i), "one row"})
		}
	}
	bed.Must(b, "CREATE DATABASE shop")
	bed.Must(b, "CREATE TABLE shop.t (k BIGINT NOT NULL, v VARCHAR(100000)) DUPLICATE KEY(k) PARTITION BY RANGE(k) ("+
		strings.Join(parts, ", ")+`) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES("replication_num"="1")`)
	load := func(rows [][]string) {
		if err := bed.Sim.Load("shop", "t", rows...); err != nil {
			b.Fatal(err)
		}
	}
	load(data)
	known := map[string]bool{}
	backup(b, bed, spec.Backup{})
	full := written(b, bed, known)
	load(more)
	second := time.Now().Unix() // points are named by it
	until(b, time.Minute, func() bool { return time.Now().Unix() > second })
	out := backup(b, bed, spec.Backup{Incremental: true})
	if out.Carried != partitions-changed {
		b.Fatalf("%d partitions were carried over: %+v", out.Carried, out)
	}
	moved := written(b, bed, known)
	say("%d of %d partitions changed: full %d bytes, incremental %d bytes", changed, partitions, full, moved)
	judge("(i) bytes of the incremental, in % of the full", 100*float64(moved)/float64(full), 1.1, "%")
}

// written is what has come below StarRocks' directory since known was filled: data, headers, __info and __meta.
func written(b *testing.B, bed *testbed.Bed, known map[string]bool) (bytes int64) {
	b.Helper()
	for o, err := range bed.Store.List(b.Context(), "__starrocks_repository_"+testbed.RepositoryName+"/__ss_") {
		if err != nil {
			b.Fatal(err)
		}
		if !known[o.Key] {
			known[o.Key] = true
			bytes += o.Size
		}
	}
	return bytes
}
