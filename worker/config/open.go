package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"starkeep/starrocks"
)

// Client gives what starrocks.Open needs; the password is read now.
func (c Cluster) Client() (starrocks.Config, error) {
	password, err := c.Password.Value()
	if err != nil {
		return starrocks.Config{}, fmt.Errorf("password: %w", err)
	}
	return starrocks.Config{Addresses: c.Addresses, User: c.User, Password: password, Reach: c.Reach, Timeout: c.StatementTimeout}, nil
}

// CheckSecrets reads every secret that the configuration refers to, files of keys included, and tells which cannot be
// had; values are dropped.
func (c *Config) CheckSecrets() error {
	var errs []error
	note := func(err error, path string) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.%w", path, err))
		}
	}
	for _, name := range c.ClusterNames() {
		_, err := c.Clusters[name].Client()
		note(err, join("clusters", name))
	}
	for _, name := range c.RepositoryNames() {
		for _, err := range c.Repositories[name].missingSecrets() {
			note(err, join("repositories", name))
		}
	}
	for _, name := range c.MirrorNames() {
		for _, err := range c.Mirrors[name].place().missingSecrets() {
			note(err, join("mirrors", name))
		}
	}
	return errors.Join(errs...)
}

// missingSecrets tells which of a repository's secrets cannot be had.
func (r Repository) missingSecrets() []error {
	var errs []error
	secrets := map[string]Secret{
		"s3.accessKey": r.S3.AccessKey, "s3.secretKey": r.S3.SecretKey, "s3.sessionToken": r.S3.SessionToken,
		"gcs.accessKey": r.GCS.AccessKey, "gcs.secretKey": r.GCS.SecretKey,
		"starrocks.accessKey": r.StarRocks.AccessKey, "starrocks.secretKey": r.StarRocks.SecretKey, "starrocks.password": r.StarRocks.Password,
	}
	for _, key := range slices.Sorted(maps.Keys(secrets)) {
		if _, err := secrets[key].Value(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
	}
	files := map[string]string{"gcs.serviceAccountFile": r.GCS.ServiceAccountFile, "hdfs.kerberos.keytab": r.HDFS.Kerberos.Keytab}
	for _, key := range slices.Sorted(maps.Keys(files)) {
		if files[key] == "" {
			continue
		}
		f, err := os.Open(files[key])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
			continue
		}
		_ = f.Close()
	}
	return errs
}

// read reads secrets by their keys' names; the error is that of the first that cannot be had.
func read(secrets map[string]Secret) (map[string]string, error) {
	values := make(map[string]string, len(secrets))
	for _, key := range slices.Sorted(maps.Keys(secrets)) {
		value, err := secrets[key].Value()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		values[key] = value
	}
	return values, nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
