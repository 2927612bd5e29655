package storage_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// neighbours are two buckets of one server, each with credentials of its own.
type neighbours struct {
	from    storage.Config
	allowed storage.Config // the target, with credentials that may read the source
	refused storage.Config // and with such that may not
	inject  func(func(*http.Request) storagetest.Fault)
	isCopy  func(*http.Request) bool
}

// mayAll is a policy that allows everything in some buckets.
func mayAll(buckets ...string) string {
	var resources []string
	for _, b := range buckets {
		resources = append(resources, fmt.Sprintf(`"arn:aws:s3:::%s","arn:aws:s3:::%s/*"`, b, b))
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":[` + strings.Join(resources, ",") + `]}]}`
}

func s3Neighbours(t *testing.T) neighbours {
	server := storagetest.StartS3IAM(t)
	proxy := storagetest.NewProxy(t, server.Endpoint)
	from, to := server.Server, server.Other(t)
	through := func(s storagetest.Server, bucket string) storage.Config {
		s.Bucket = bucket
		c := s.Config("dir")
		c.S3.Endpoint = proxy.Endpoint
		return c
	}
	return neighbours{
		from:    through(server.User(t, "source", mayAll(from.Bucket)).Server, from.Bucket),
		allowed: through(server.User(t, "both", mayAll(from.Bucket, to.Bucket)).Server, to.Bucket),
		refused: through(server.User(t, "target", mayAll(to.Bucket)).Server, to.Bucket),
		inject:  proxy.Inject,
		isCopy:  func(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" },
	}
}

func gcsNeighbours(t *testing.T) neighbours {
	server := storagetest.StartGCS(t)
	proxy := storagetest.NewProxy(t, server.Endpoint)
	server.Endpoint = proxy.Endpoint
	other := server.Other(t)
	all := []string{"storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"}
	return neighbours{
		from: server.User(t, "source", all...).Config("dir"), allowed: other.User(t, "both", all...).Config("dir"),
		refused: other.User(t, "target", "storage.objects.create", "storage.objects.list").Config("dir"),
		inject:  proxy.Inject,
		isCopy:  func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/rewriteTo/") },
	}
}

// Where the target's credentials may read the source, its server copies; else everything passes through this process, and the
// server is not asked again for each object.
func TestTransferLetsTheServerCopyBetweenItsBuckets(t *testing.T) {
	for name, start := range map[string]func(*testing.T) neighbours{"S3": s3Neighbours, "GCS": gcsNeighbours} {
		t.Run(name, func(t *testing.T) {
			n := start(t)
			from := open(t, n.from)
			sums, size := map[string]string{}, int64(0)
			for i := range 12 {
				data := content(1000 * (i + 1))
				key := named(fmt.Sprintf("d e+f/ü%02d", i), data)
				write(t, from, key, data)
				sums[key], size = key[strings.LastIndexByte(key, '.')+1:], size+int64(len(data))
			}
			var copies atomic.Int64
			n.inject(func(r *http.Request) storagetest.Fault {
				if n.isCopy(r) {
					copies.Add(1)
				}
				return storagetest.Fault{}
			})
			for _, test := range []struct {
				name   string
				to     storage.Store
				copies int64
				read   int64
			}{
				{"allowed", open(t, n.allowed), int64(len(sums)), 0},
				{"allowed, with limits", storage.LimitBandwidth(storage.LimitBandwidth(open(t, n.allowed), func() int64 { return 1 << 40 }), func() int64 { return 1 << 40 }), int64(len(sums)), 0},
				{"refused", open(t, n.refused), 1, size},
			} {
				t.Run(test.name, func(t *testing.T) {
					for key := range sums {
						if err := open(t, n.allowed).Delete(t.Context(), key); err != nil {
							t.Fatal(err)
						}
					}
					copies.Store(0)
					limited := storage.LimitBandwidth(from, func() int64 { return 1 << 40 })
					got, err := storage.Transfer(t.Context(), limited, test.to, from.List(t.Context(), ""), storage.TransferOptions{Parallel: 1, MD5: md5OfKey})
					if err != nil {
						t.Fatal(err)
					}
					if all := (storage.TransferResult{Copied: int64(len(sums)), Bytes: size, Read: test.read}); got != all || copies.Load() != test.copies {
						t.Errorf("result %+v with %d copies by the server, want %+v with %d", got, copies.Load(), all, test.copies)
					}
					if diff := cmp.Diff(sums, contents(t, open(t, n.allowed), "")); diff != "" {
						t.Error(diff)
					}
				})
			}
			t.Run("an object that is wrong", func(t *testing.T) {
				bad := named("bad", []byte("right"))
				write(t, from, bad, []byte("wrong"))
				to := open(t, n.allowed)
				copies.Store(0)
				good := func(yield func(storage.Object, error) bool) {
					if yield(storage.Object{Key: bad, Size: 5}, nil) {
						from.List(t.Context(), "d e")(yield)
					}
				}
				got, err := storage.Transfer(t.Context(), from, to, good, storage.TransferOptions{Parallel: 1, MD5: md5OfKey})
				want(t, err, storage.ErrChecksum)
				if got.Failed != 1 || got.Copied != int64(len(sums)) || copies.Load() != int64(len(sums))+1 {
					t.Errorf("%+v with %d copies by the server", got, copies.Load())
				}
				_, err = to.Stat(t.Context(), bad)
				want(t, err, storage.ErrNotFound)
			})
			t.Run("an object that is gone", func(t *testing.T) {
				_, err := storage.Transfer(t.Context(), from, open(t, n.allowed), each(storage.Object{Key: named("gone", nil), Size: 1}), storage.TransferOptions{MD5: md5OfKey})
				want(t, err, storage.ErrNotFound)
			})
		})
	}
}

// What a disk has spoiled is noticed, whoever copies: the server tells the MD5 of what it has written.
func TestAServerThatCopiesDoesNotHideWhatItsDiskHasSpoiled(t *testing.T) {
	server := storagetest.StartS3(t)
	other := server.Other(t)
	from, to := open(t, server.Config("dir")), open(t, other.Config("dir"))
	data := content(5000)
	key := named("object", data)
	write(t, from, key, data)
	data[7] ^= 1
	if err := os.WriteFile(filepath.Join(server.Dir, "dir", key), data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := storage.Transfer(t.Context(), from, to, each(storage.Object{Key: key, Size: 5000}), storage.TransferOptions{MD5: md5OfKey})
	want(t, err, storage.ErrChecksum)
	_, err = to.Stat(t.Context(), key)
	want(t, err, storage.ErrNotFound)
}

func TestTransferLetsTheServerCopyLargeObjectsInParts(t *testing.T) {
	server := storagetest.StartS3(t)
	from, to := open(t, server.Config("from")), open(t, server.Other(t).Config("to"))
	storage.ShrinkParts(to, 5*mib, 5*mib, 5*mib)
	data := content(12*mib + 3)
	key := named("large", data)
	write(t, from, key, data)
	got, err := storage.Transfer(t.Context(), from, to, each(storage.Object{Key: key, Size: int64(len(data))}), storage.TransferOptions{MD5: md5OfKey})
	if err != nil || got.Copied != 1 || got.Read != int64(len(data)) { // it is read back, since S3 tells no MD5 of parts
		t.Errorf("%+v, %v", got, err)
	}
	if diff := cmp.Diff(map[string]string{key: key[len("large."):]}, contents(t, to, "")); diff != "" {
		t.Error(diff)
	}
}

// A server that copies moves no more than the target's limit lets pass.
func TestALimitHoldsWhoeverMovesTheBytes(t *testing.T) {
	server := storagetest.StartS3(t)
	from := open(t, server.Config("from"))
	to := storage.LimitBandwidth(open(t, server.Other(t).Config("to")), func() int64 { return 400_000 })
	data := content(100_000)
	objects := make([]storage.Object, 5)
	for i := range objects {
		objects[i] = storage.Object{Key: named(fmt.Sprint("object", i), data), Size: int64(len(data))}
		write(t, from, objects[i].Key, data)
	}
	began := time.Now()
	got, err := storage.Transfer(t.Context(), from, to, each(objects...), storage.TransferOptions{MD5: md5OfKey})
	if err != nil || got.Read != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("500 kB at 400 kB/s took %v", took)
	}
}

func TestOnlyLocationsOfOneServerAreNextToEachOther(t *testing.T) {
	s3 := func(location, endpoint, region string) storage.Config {
		return storage.Config{Location: location, S3: storage.S3{Endpoint: endpoint, Region: region, AccessKey: "a", SecretKey: "b"}}
	}
	hmac := func(location string) storage.Config {
		return storage.Config{Location: location, GCS: storage.GCS{AccessKey: "a", SecretKey: "b"}}
	}
	here := s3("s3://a/x", "http://minio:9000", "")
	for name, test := range map[string]struct {
		from, to storage.Config
		want     bool
	}{
		"another bucket":            {here, s3("s3://b/x", "http://MinIO:9000", "eu-1"), true},
		"another prefix":            {here, s3("s3://a/y", "http://minio:9000", ""), true},
		"the same location":         {here, here, false},
		"another port":              {here, s3("s3://b/x", "http://minio:9001", ""), false},
		"another region of AWS":     {s3("s3://a/x", "", "eu-west-1"), s3("s3://b/x", "https://s3.us-east-2.amazonaws.com", "us-east-2"), true},
		"AWS in China":              {s3("s3://a/x", "", "eu-west-1"), s3("s3://b/x", "", "cn-north-1"), false},
		"AWS and a server":          {s3("s3://a/x", "", "eu-west-1"), s3("s3://b/x", "http://minio:9000", "eu-west-1"), false},
		"GCS by HMAC keys":          {hmac("gs://a/x"), hmac("gs://b/x"), true},
		"GCS by HMAC keys and S3":   {s3("s3://a/x", "https://storage.googleapis.com", "auto"), hmac("gs://b/x"), false},
		"a directory and an object": {storage.Config{Location: "file:///srv/x"}, here, false},
	} {
		if got := storage.NextTo(open(t, test.from), open(t, test.to)); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
