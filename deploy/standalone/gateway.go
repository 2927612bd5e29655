package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

const (
	gatewayRegion = "us-east-1"
	maxCopy       = 5 << 30 // bytes, as in S3; the library's zero value allows no copy at all
)

// s3Gateway is an S3 server in this process, on a directory. One can run in a process, and starting it changes the
// working directory: every path here is absolute.
type s3Gateway struct {
	Endpoint  string // "http://127.0.0.1:7070"
	AccessKey string
	SecretKey string

	cancel context.CancelFunc
	done   chan error
}

// startGateway serves dir as S3 on 127.0.0.1:port (0: a free port), with fresh keys and one empty bucket.
func startGateway(ctx context.Context, dir, bucket string, port int) (*s3Gateway, error) {
	port, err := listenPort(port)
	if err != nil {
		return nil, fmt.Errorf("S3 server: %w", err)
	}
	backend, err := posixBackend(dir)
	if err != nil {
		return nil, fmt.Errorf("S3 server: %w", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g := &s3Gateway{
		Endpoint:  "http://" + hostPort(port),
		AccessKey: "demo" + rand.Text()[:12],
		SecretKey: rand.Text(),
		cancel:    cancel,
		done:      make(chan error, 1),
	}
	go func() { g.done <- embedgw.RunVersityGW(run, backend, g.config(port)) }()
	if err := g.waitReady(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("S3 server: %w", err), g.Stop())
	}
	if err := g.createBucket(ctx, bucket); err != nil {
		return nil, errors.Join(fmt.Errorf("S3 server: %w", err), g.Stop())
	}
	return g, nil
}

// Stop ends the server; the objects stay in its directory.
func (g *s3Gateway) Stop() error {
	g.cancel()
	if err := <-g.done; err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("S3 server: %w", err)
	}
	return nil
}

func (g *s3Gateway) config(port int) *embedgw.Config {
	root := auth.Account{Access: g.AccessKey, Secret: g.SecretKey, Role: auth.RoleAdmin}
	return &embedgw.Config{
		RootUserAccess:    root.Access,
		RootUserSecret:    root.Secret,
		IAMService:        auth.NewIAMServiceSingle(root), // the default is the same, but says so on stdout
		Region:            gatewayRegion,
		Ports:             []string{hostPort(port)},
		MaxConnections:    1024,
		MaxRequests:       512,
		MultipartMaxParts: 10000,
		KeepAlive:         true,
		Quiet:             true,
	}
}

// waitReady waits for the first answer, or for the server's own reason not to start.
func (g *s3Gateway) waitReady(ctx context.Context) error {
	answered := make(chan error, 1)
	go func() { answered <- waitHTTP(ctx, g.Endpoint, 10*time.Second) }()
	select {
	case err := <-answered:
		return err
	case err := <-g.done:
		g.done <- err // Stop reads it again
		return err
	}
}

func (g *s3Gateway) createBucket(ctx context.Context, bucket string) error {
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(g.Endpoint),
		Region:       gatewayRegion,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(g.AccessKey, g.SecretKey, ""),
	})
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	return err
}

// posixBackend keeps objects as files below dir/objects. Their S3 attributes are extended attributes of the files,
// or files below dir/attributes where the file system has none (some container file systems).
func posixBackend(dir string) (*posix.Posix, error) {
	objects, attributes := filepath.Join(dir, "objects"), filepath.Join(dir, "attributes")
	if err := os.MkdirAll(objects, 0o700); err != nil {
		return nil, err
	}
	options := posix.PosixOpts{CopyObjectThreshold: maxCopy}
	if (meta.XattrMeta{}).Test(objects) == nil {
		return posix.New(objects, meta.XattrMeta{}, options)
	}
	if err := os.MkdirAll(attributes, 0o700); err != nil {
		return nil, err
	}
	sidecar, err := meta.NewSideCar(attributes)
	if err != nil {
		return nil, err
	}
	options.SideCarDir = attributes
	return posix.New(objects, sidecar, options)
}
