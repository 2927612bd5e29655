package restorepoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// list writes n objects and gives the stored bytes.
func list(t testing.TB, n int) ([]byte, ObjectList) {
	t.Helper()
	var b bytes.Buffer
	w, err := NewListWriter(&b, "key")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Write(Object{Key: fmt.Sprintf("k%08d", i), Size: int64(i), MD5: fmt.Sprintf("%032x", i)}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), l
}

// read gives how many objects came, and the error at the end.
func readAll(r io.Reader, l ObjectList) (n int, err error) {
	for _, e := range ReadList(r, l) {
		if e != nil {
			return n, e
		}
		n++
	}
	return n, nil
}

func TestListsComeBackAsWritten(t *testing.T) {
	for _, n := range []int{0, 1, 3, 5000} {
		data, l := list(t, n)
		if l.Key != "key" || l.Objects != int64(n) || l.Bytes != int64(n)*int64(n-1)/2 || l.SHA256 != Digest(data) {
			t.Errorf("%d objects: %+v", n, l)
		}
		i := 0
		for o, err := range ReadList(iotest.OneByteReader(bytes.NewReader(data)), l) {
			if err != nil {
				t.Fatal(err)
			}
			if want := (Object{Key: fmt.Sprintf("k%08d", i), Size: int64(i), MD5: fmt.Sprintf("%032x", i)}); o != want {
				t.Fatalf("object %+v, want %+v", o, want)
			}
			i++
		}
		if i != n {
			t.Errorf("%d of %d objects", i, n)
		}
	}
}

// The lines are a format for other programs: `zstd -d` shows them.
func TestGoldenLines(t *testing.T) {
	var b bytes.Buffer
	w, err := NewListWriter(&b, "key")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Object{{Key: "a<&>.0123456789abcdef0123456789abcdef", Size: 12, MD5: "0123456789abcdef0123456789abcdef"}, {Key: "b \"ü", Size: 0}} {
		if err := w.Write(o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	const want = `{"key":"a<&>.0123456789abcdef0123456789abcdef","size":12,"md5":"0123456789abcdef0123456789abcdef"}
{"key":"b \"ü","size":0}
`
	if got, err := io.ReadAll(z); err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAReaderMayStop(t *testing.T) {
	data, l := list(t, 100)
	n := 0
	for _, err := range ReadList(bytes.NewReader(data), l) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d objects", n)
	}
}

func TestDamagedListsAreNoticed(t *testing.T) {
	data, l := list(t, 5000)
	other, otherList := list(t, 4999)
	flipped := bytes.Clone(data)
	flipped[len(flipped)/2] ^= 1
	wrongCount, wrongBytes := l, l
	wrongCount.Objects--
	wrongBytes.Bytes++
	for name, test := range map[string]struct {
		data []byte
		list ObjectList
		want error
	}{
		"empty":              {nil, l, ErrDigest},
		"cut":                {data[:len(data)/2], l, ErrFormat},
		"cut at its end":     {data[:len(data)-1], l, ErrFormat},
		"a bit flipped":      {flipped, l, nil},
		"trailing bytes":     {append(bytes.Clone(data), 0), l, nil},
		"another list":       {other, l, ErrDigest},
		"the other's digest": {data, otherList, ErrDigest},
		"not zstd":           {[]byte("hello"), l, ErrFormat},
		"count":              {data, wrongCount, ErrFormat},
		"bytes":              {data, wrongBytes, ErrFormat},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(bytes.NewReader(test.data), test.list)
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDigest) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestErrorsOfTheStoreAreTheStores(t *testing.T) {
	data, l := list(t, 50000)
	broken := errors.New("connection lost")
	_, err := readAll(io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(broken)), l)
	if !errors.Is(err, broken) || errors.Is(err, ErrFormat) {
		t.Errorf("error %v", err)
	}
	w, err := NewListWriter(failingWriter{broken}, "key")
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Write(Object{Key: "k"})
	if _, err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWrongObjectsAreNotWritten(t *testing.T) {
	w, err := NewListWriter(io.Discard, "key")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		object Object
		ok     bool
	}{{Object{Key: "b"}, true}, {Object{Key: "b"}, false}, {Object{Key: "a"}, false}, {Object{Key: "c", Size: -1}, false}, {Object{}, false}, {Object{Key: "c"}, true}} {
		if err := w.Write(step.object); (err == nil) != step.ok {
			t.Errorf("%+v: %v", step.object, err)
		}
	}
	for i := w.list.Objects; i < MaxListObjects; i++ {
		if err := w.Write(Object{Key: fmt.Sprintf("k%08d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write(Object{Key: "z"}); !errors.Is(err, ErrListFull) {
		t.Errorf("past the end: %v", err)
	}
}

func TestListsNeedLittleMemory(t *testing.T) {
	data, l := list(t, MaxListObjects)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if n, err := readAll(bytes.NewReader(data), l); n != MaxListObjects || err != nil {
		t.Fatal(n, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 32<<20 {
		t.Errorf("%d MiB are held after reading", grown>>20)
	}
}

func FuzzReadList(f *testing.F) {
	data, _ := list(f, 10)
	f.Add(data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := readAll(bytes.NewReader(data), ObjectList{SHA256: Digest(data)})
		if err == nil && n > 0 {
			t.Error("objects, though the record says none")
		}
	})
}
