package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// Faults of single processes, on one cluster of two NameNodes and three DataNodes: each test leaves it as the next one
// takes it. Files have blocks of 1 MiB and three replicas.
func TestHDFSFaults(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFSCluster(t, 2, 3)
	f := &hdfsFaults{cluster: cluster, dir: cluster.Dir(t, "alice")}
	f.s = f.open(t, cluster.Config(f.dir, "alice"), time.Minute)
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"NameNode that is standby", f.standby},
		{"NameNode that hangs", f.nameNodeHangs},
		{"DataNode that hangs", f.dataNodeHangs},
		{"DataNodes die", f.dataNodesDie},
		{"NameNodes change over", f.changeOver},
		{"NameNode dies between blocks", f.nameNodeDies},
		{"NameNodes die after a Put", f.allNameNodesDie},
	} {
		if !t.Run(test.name, test.run) {
			return // the cluster is not as the others want it
		}
	}
}

type hdfsFaults struct {
	cluster *storagetest.HDFSCluster
	dir     string
	s       storage.Store // knows both NameNodes, and is patient
}

func (f *hdfsFaults) open(t *testing.T, config storage.Config, wait time.Duration) storage.Store {
	t.Helper()
	s := open(t, config)
	storage.SetHDFSWait(s, wait)
	t.Cleanup(func() { s.Close() })
	return s
}

// random is content that differs from call to call.
func random(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	return data
}

// midway is content, with something done when its first bytes have been read.
func midway(content []byte, after int, do func()) io.Reader {
	return io.MultiReader(bytes.NewReader(content[:after]), &hook{do: do}, bytes.NewReader(content[after:]))
}

type hook struct{ do func() }

func (h *hook) Read([]byte) (int, error) {
	h.do()
	return 0, io.EOF
}

func (f *hdfsFaults) expect(t *testing.T, key string, content []byte) {
	t.Helper()
	got, err := storage.ReadAll(t.Context(), f.s, key, 100<<20)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s: got %d bytes, %v; want the %d that were put", key, len(got), err, len(content))
	}
}

// putAgain puts until that works: a node that was started just now is not used at once.
func (f *hdfsFaults) putAgain(t *testing.T, key string, content []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := storage.WriteAll(ctx, f.s, key, content, storage.Overwrite)
		if err == nil {
			break
		}
		if ctx.Err() != nil || !errors.Is(err, storage.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	f.expect(t, key, content)
}

func (f *hdfsFaults) standby(t *testing.T) {
	config := f.cluster.Config(f.dir, "alice")
	config.HDFS.NameNodes = config.HDFS.NameNodes[1:]
	s := f.open(t, config, time.Minute)
	_, err := s.Stat(t.Context(), "key")
	refused(t, err, storage.ErrUnavailable, "StandbyException", "name all NameNodes")

	config.HDFS.NameNodes = append(config.HDFS.NameNodes, f.cluster.NameNodes[0].Address)
	write(t, f.open(t, config, time.Minute), "standby first", []byte("x"))
}

func (f *hdfsFaults) nameNodeHangs(t *testing.T) {
	write(t, f.s, "hanging/there", []byte("there"))
	f.cluster.NameNodes[0].Stop(t)
	defer f.cluster.NameNodes[0].Continue(t)
	s := f.open(t, f.cluster.Config(f.dir+"/hanging", "alice"), time.Second)
	began := time.Now()
	for name, err := range together(hdfsOperations(t.Context(), s)) {
		t.Run(name, func(t *testing.T) { refused(t, err, storage.ErrUnavailable) })
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

func (f *hdfsFaults) dataNodeHangs(t *testing.T) {
	content := random(5<<19 + 17)
	f.putAgain(t, "hangs", content)
	f.cluster.AwaitReplicas(t, f.dir+"/hangs", 3)
	node := f.cluster.DataNodes[0]
	s := f.open(t, f.cluster.Config(f.dir, "alice"), 3*time.Second)

	err := s.Put(t.Context(), "hangs", midway(random(len(content)), 3<<19, func() { node.Stop(t) }), int64(len(content)), storage.Overwrite)
	node.Continue(t)
	refused(t, err, storage.ErrUnavailable)
	f.expect(t, "hangs", content)

	// Two of three replicas cannot be read.
	body, err := s.Get(t.Context(), "hangs", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	got := make([]byte, len(content))
	if _, err := io.ReadFull(body, got[:3<<19]); err != nil {
		t.Fatal(err)
	}
	for _, node := range f.cluster.DataNodes[:2] {
		node.Stop(t)
		defer node.Continue(t)
	}
	if _, err := io.ReadFull(body, got[3<<19:]); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read: %v", err)
	}
}

func (f *hdfsFaults) dataNodesDie(t *testing.T) {
	nodes := f.cluster.DataNodes
	content, single := random(7<<19+17), random(5<<19)
	f.putAgain(t, "dies", content)
	if err := writeBlocks(f.cluster.Client(), f.dir+"/single", single, 1<<20); err != nil {
		t.Fatal(err)
	}
	f.cluster.Chown(t, f.dir+"/single", "alice")

	f.cluster.AwaitReplicas(t, f.dir+"/dies", len(nodes))
	one := f.reader(t, "single")
	err := f.s.Put(t.Context(), "dies", midway(random(len(content)), 3<<19, nodes[0].Kill), int64(len(content)), storage.Overwrite)
	refused(t, err, storage.ErrUnavailable)
	f.expect(t, "dies", content)
	if left := tempFiles(t, f.cluster.HDFS, f.s); len(left) > 0 {
		t.Errorf("left in .starkeep-tmp: %q", left)
	}

	whole := f.reader(t, "dies")
	nodes[1].Kill()
	if got, err := io.ReadAll(whole); err != nil || !bytes.Equal(got, content) {
		t.Errorf("with one replica of three: got %d bytes, %v", len(got), err)
	}
	nodes[2].Kill()
	_, err = storage.ReadAll(t.Context(), f.s, "dies", 100<<20)
	refused(t, err, storage.ErrUnavailable)

	var starts sync.WaitGroup
	for _, node := range nodes {
		starts.Go(func() { node.Start(t) })
	}
	starts.Wait()
	if got, err := io.ReadAll(one); err != nil || !bytes.Equal(got, single) {
		t.Errorf("with a DataNode that came back: got %d bytes, %v", len(got), err)
	}
	f.putAgain(t, "dies", content)
}

// reader is a Get of which the first byte has been read; the byte is read again.
func (f *hdfsFaults) reader(t *testing.T, key string) io.Reader {
	t.Helper()
	body, err := f.s.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { body.Close() })
	first := make([]byte, 1)
	if _, err := io.ReadFull(body, first); err != nil {
		t.Fatal(err)
	}
	return io.MultiReader(bytes.NewReader(first), body)
}

func (f *hdfsFaults) changeOver(t *testing.T) {
	old, content := random(5<<19), random(5<<19)
	f.putAgain(t, "change", old)
	body := f.reader(t, "change")
	active := 0
	change := func() {
		active = 1 - active
		f.cluster.Activate(t, active)
	}
	err := f.s.Put(t.Context(), "change", midway(content, 3<<19, change), int64(len(content)), storage.Overwrite)
	if err != nil {
		refused(t, err, storage.ErrUnavailable)
		f.expect(t, "change", old)
		f.putAgain(t, "change", content)
	}
	f.expect(t, "change", content)
	if got, err := io.ReadAll(body); err == nil && !bytes.Equal(got, old) {
		t.Error("read other bytes")
	} else if err != nil {
		refused(t, err, storage.ErrChanged)
	}

	t.Run("while writers race", func(t *testing.T) {
		errs := make([]error, 6)
		contents := make([][]byte, len(errs))
		var writers sync.WaitGroup
		for i := range errs {
			contents[i] = random(100_000)
			writers.Go(func() { errs[i] = storage.WriteAll(t.Context(), f.s, "race", contents[i], storage.IfAbsent) })
		}
		change()
		writers.Wait()
		winners := 0
		for i, err := range errs {
			switch {
			case err == nil:
				winners++
				f.expect(t, "race", contents[i])
			case !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrUnavailable):
				t.Error(err)
			}
		}
		if winners > 1 {
			t.Errorf("%d winners", winners)
		}
	})
	if active != 0 {
		t.Fatal("the first NameNode is not active")
	}
}

// The library ends a file that lost its NameNode at the end of a block as if it were complete.
func (f *hdfsFaults) nameNodeDies(t *testing.T) {
	old := random(1000)
	f.putAgain(t, "border", old)
	content := random(3 << 20)
	err := f.s.Put(t.Context(), "border", midway(content, 2<<20, f.cluster.NameNodes[0].Kill), int64(len(content)), storage.Overwrite)
	refused(t, err, storage.ErrUnavailable)
	f.cluster.Activate(t, 1)
	f.expect(t, "border", old)
	f.putAgain(t, "border", content)
	f.cluster.NameNodes[0].Start(t)
}

// A file that is closed before its DataNode has reported it is readable, and empty after a restart of the NameNode. What
// Put has stored is not.
func (f *hdfsFaults) allNameNodesDie(t *testing.T) {
	contents := map[string][]byte{}
	for i := range 5 {
		key := fmt.Sprintf("survives/%d", i)
		contents[key] = random(1 + i*300_000)
		f.putAgain(t, key, contents[key])
	}
	for _, node := range f.cluster.NameNodes {
		node.Kill()
	}
	_, err := f.s.Stat(t.Context(), "survives/0")
	refused(t, err, storage.ErrUnavailable, "connection refused", "are they up")
	var starts sync.WaitGroup
	for _, node := range f.cluster.NameNodes {
		starts.Go(func() { node.Start(t) })
	}
	starts.Wait()
	f.cluster.Activate(t, 0)
	f.cluster.AwaitDataNodes(t, 3)
	for key, content := range contents {
		f.expect(t, key, content)
	}
}
