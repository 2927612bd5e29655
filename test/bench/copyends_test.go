package bench

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// copyEnd is a server that objects are copied from or to.
type copyEnd struct {
	config storage.Config
	remote func(name string) []string             // rclone's settings of a remote of that name
	root   string                                 // what rclone puts before a directory of the location
	put    func(key string, content []byte) error // nil: Put of the store
}

func (e copyEnd) open(b *testing.B) storage.Store {
	b.Helper()
	store, err := storage.Open(b.Context(), e.config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	return store
}

func startS3(b *testing.B) copyEnd { return s3End(storagetest.StartS3(b), "") }

func startS3TLS(b *testing.B) copyEnd {
	server, caFile := storagetest.StartS3TLS(b)
	return s3End(server, caFile)
}

func s3End(server storagetest.Server, caFile string) copyEnd {
	config := server.Config("")
	config.S3.CAFile = caFile
	end := copyEnd{config: config, root: server.Bucket + "/"}
	end.remote = func(name string) []string {
		prefix := "RCLONE_CONFIG_" + name + "_"
		settings := []string{
			prefix + "TYPE=s3", prefix + "PROVIDER=Other", prefix + "ENDPOINT=" + server.Endpoint, prefix + "REGION=" + server.Region,
			prefix + "ACCESS_KEY_ID=" + server.AccessKey, prefix + "SECRET_ACCESS_KEY=" + server.SecretKey, prefix + "FORCE_PATH_STYLE=true",
		}
		if caFile != "" {
			settings = append(settings, prefix+"CA_CERT="+caFile, "RCLONE_CA_CERT="+caFile)
		}
		return settings
	}
	if caFile == "" {
		end.put = putOne(server)
	}
	return end
}

// startGCS is reached past the door that asks for tokens, except for the sessions of large uploads, whose address the
// server tells.
func startGCS(b *testing.B) copyEnd {
	server := storagetest.StartGCS(b)
	config := server.Config("")
	config.GCS.Endpoint = server.Direct()
	return copyEnd{config: config, root: server.Bucket + "/", remote: func(name string) []string {
		prefix := "RCLONE_CONFIG_" + name + "_"
		return []string{
			prefix + "TYPE=google cloud storage", prefix + "SERVICE_ACCOUNT_FILE=" + server.KeyFile,
			prefix + "ENDPOINT=" + server.Direct() + "/storage/v1/", prefix + "NO_CHECK_BUCKET=true",
		}
	}}
}

func startHDFS(b *testing.B) copyEnd {
	server := storagetest.StartHDFS(b)
	dir := server.Dir(b, "starkeep")
	return copyEnd{config: server.Config(dir, "starkeep"), root: dir + "/", remote: func(name string) []string {
		prefix := "RCLONE_CONFIG_" + name + "_"
		return []string{prefix + "TYPE=hdfs", prefix + "NAMENODE=" + server.Address, prefix + "USERNAME=starkeep"}
	}}
}

// putOne stores objects of any size in one request: their ETag is then the MD5 that rclone compares.
func putOne(server storagetest.Server) func(string, []byte) error {
	client := s3.New(s3.Options{
		BaseEndpoint: &server.Endpoint, Region: server.Region, UsePathStyle: true, HTTPClient: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
		Credentials:                credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	return func(key string, content []byte) error {
		_, err := client.PutObject(context.Background(), &s3.PutObjectInput{
			Bucket: &server.Bucket, Key: &key, Body: bytes.NewReader(content), ContentLength: aws.Int64(int64(len(content))),
		}, s3.WithAPIOptions(signer.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
		return err
	}
}

// copyShape is how many objects of which size are copied.
type copyShape struct {
	name   string // also of their directory
	number int
	size   int
	tiny   int // further objects, of tinySize, among which the others are spread evenly
}

const tinySize = 2 << 10

func (s copyShape) objects() int { return s.number + s.tiny }
func (s copyShape) bytes() int64 { return int64(s.number)*int64(s.size) + int64(s.tiny)*tinySize }

// sizeOf is the size of the i-th object.
func (s copyShape) sizeOf(i int) int {
	if (i+1)*s.number/s.objects() > i*s.number/s.objects() {
		return s.size
	}
	return tinySize
}

func (s copyShape) String() string {
	text := fmt.Sprintf("%d objects of %d KiB", s.number, s.size>>10)
	if s.tiny > 0 {
		text += fmt.Sprintf(" among %d of %d KiB", s.tiny, tinySize>>10)
	}
	return text
}

// fill makes the objects of a shape, whose names end in their MD5, in a hundred directories.
func (e copyEnd) fill(b *testing.B, shape copyShape) {
	b.Helper()
	put := e.put
	if put == nil {
		store := e.open(b)
		put = func(key string, content []byte) error {
			return storage.WriteAll(context.Background(), store, key, content, storage.Overwrite)
		}
	}
	numbers := make(chan int)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			random := make([]byte, shape.size)
			_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
			for i := range numbers {
				content := random[:shape.sizeOf(i)]
				binary.BigEndian.PutUint64(content, uint64(i))
				key := fmt.Sprintf("%s/%02d/%05d.dat.%x", shape.name, i%100, i, md5.Sum(content))
				if err := put(key, content); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range shape.objects() {
		numbers <- i
	}
	close(numbers)
	writers.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// check counts what a directory of the location holds.
func check(b *testing.B, store storage.Store, dir string, shape copyShape) {
	b.Helper()
	var number int
	var size int64
	for o, err := range store.List(b.Context(), dir+"/") {
		if err != nil {
			b.Fatal(err)
		}
		number++
		size += o.Size
	}
	if number != shape.objects() || size != shape.bytes() {
		b.Fatalf("%s holds %d objects of %d bytes; want %s, %d bytes", dir, number, size, shape, shape.bytes())
	}
}

// wipe removes a directory of the location.
func wipe(b *testing.B, store storage.Store, dir string) {
	b.Helper()
	var keys []string
	for o, err := range store.List(b.Context(), dir+"/") {
		if err != nil {
			b.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	if err := store.Delete(b.Context(), keys...); err != nil {
		b.Fatal(err)
	}
}
