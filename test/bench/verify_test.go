package bench

import (
	"crypto/md5"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"starkeep/storage"
)

// verifyLeast is the throughput wanted of a verification that reads everything, as a part of what these cores can hash.
const verifyLeast = 0.85

// BenchmarkG_Verify: the contents of objects compared with their MD5s, against MD5 alone of as many bytes in memory, by as
// many goroutines as there are cores. A server shares the cores with what reads it: that row says what is left.
func BenchmarkG_Verify(b *testing.B) {
	shapes := []copyShape{
		{name: "big", number: number(b, "STARKEEP_BENCH_BIG", 64), size: 64 << 20},
		{name: "small", number: number(b, "STARKEEP_BENCH_SMALL", 20_000), size: 16 << 10},
	}
	for _, c := range []struct {
		name  string
		start func(*testing.B) copyEnd
	}{{"directory", startDirectory}, {"S3", startS3}} {
		b.Run(c.name, func(b *testing.B) {
			end := c.start(b)
			for _, shape := range shapes {
				compareToMD5(b, c.name, shape, end)
			}
		})
	}
}

func startDirectory(b *testing.B) copyEnd {
	return copyEnd{config: storage.Config{Location: "file://" + b.TempDir()}}
}

func compareToMD5(b *testing.B, name string, shape copyShape, end copyEnd) {
	if shape.number == 0 {
		return
	}
	end.fill(b, shape)
	store := end.open(b)
	var bare, checked sample
	for range number(b, "STARKEEP_BENCH_REPEATS", repeats) {
		bare = append(bare, bareMD5(shape))
		checked = append(checked, timed(func() { checkAll(b, store, shape) }))
	}
	wipe(b, store, shape.name)
	perSecond := func(s sample) float64 { return float64(shape.bytes()) / 1e6 / s.median().Seconds() }
	ratio := bare.median().Seconds() / checked.median().Seconds()
	verdict := "ok"
	if ratio < verifyLeast {
		verdict = "TOO SLOW"
	}
	say("%s, %s, load %s: MD5 alone %s, %.0f MB/s; verified %s, %.0f MB/s", name, shape, load(), bare, perSecond(bare), checked, perSecond(checked))
	say("  throughput %.2f of MD5 alone, at least %.2f: %s", ratio, verifyLeast, verdict)
}

// checkAll lists the objects of a shape and reads them.
func checkAll(b *testing.B, store storage.Store, shape copyShape) {
	b.Helper()
	result, err := storage.Check(b.Context(), store, store.List(b.Context(), shape.name+"/"), storage.CheckOptions{
		MD5:   func(o storage.Object) string { return md5OfName(o.Key) },
		Wrong: func(_ int64, o storage.Object, _ storage.Content) { b.Errorf("%s is wrong", o.Key) },
	})
	if err != nil || result.Objects != int64(shape.objects()) {
		b.Fatalf("%+v, %v", result, err)
	}
}

// bareMD5 hashes as many bytes, object by object, from memory that no cache holds.
func bareMD5(shape copyShape) time.Duration {
	data := make([]byte, 256<<20)
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(data)
	return timed(func() {
		next := make(chan int)
		var all sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			all.Go(func() {
				for i := range next {
					size := shape.sizeOf(i)
					at := i * size % (len(data) - size + 1)
					md5.Sum(data[at : at+size])
				}
			})
		}
		for i := range shape.objects() {
			next <- i
		}
		close(next)
		all.Wait()
	})
}
