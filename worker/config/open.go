package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"starkeep/starrocks"
	"starkeep/storage"
)

// Client gives what starrocks.Open needs; the password is read now.
func (c Cluster) Client() (starrocks.Config, error) {
	password, err := c.Password.Value()
	if err != nil {
		return starrocks.Config{}, fmt.Errorf("password: %w", err)
	}
	return starrocks.Config{Addresses: c.Addresses, User: c.User, Password: password, Reach: c.Reach, Timeout: c.StatementTimeout}, nil
}

// Store gives what storage.Open needs for the worker's own way to the objects; keys are read now.
func (r Repository) Store() (storage.Config, error) {
	values, err := read(map[string]Secret{"accessKey": r.S3.AccessKey, "secretKey": r.S3.SecretKey, "sessionToken": r.S3.SessionToken})
	if err != nil {
		return storage.Config{}, fmt.Errorf("s3.%w", err)
	}
	return storage.Config{Location: r.Location, S3: storage.S3{
		Endpoint: r.S3.Endpoint, Region: r.S3.Region, PathStyle: r.S3.PathStyle, CAFile: r.S3.CAFile,
		AccessKey: values["accessKey"], SecretKey: values["secretKey"], SessionToken: values["sessionToken"],
	}}, nil
}

// NativeLocation is the location as StarRocks knows it: what SHOW REPOSITORIES must say.
func (r Repository) NativeLocation() string {
	if r.StarRocks.Location != "" {
		return r.StarRocks.Location
	}
	return r.Location
}

// NativeProperties are the properties that CREATE REPOSITORY needs, with keys read now: they hold secrets, so they go
// into that statement and nowhere else.
func (r Repository) NativeProperties() (map[string]string, error) {
	properties := map[string]string{}
	maps.Copy(properties, r.StarRocks.Properties)
	keys := map[string]Secret{"accessKey": r.S3.AccessKey, "secretKey": r.S3.SecretKey}
	if r.StarRocks.AccessKey.IsSet() {
		keys = map[string]Secret{"accessKey": r.StarRocks.AccessKey, "secretKey": r.StarRocks.SecretKey}
	}
	values, err := read(keys)
	if err != nil {
		return nil, fmt.Errorf("starrocks.%w", err)
	}
	for key, value := range map[string]string{
		"aws.s3.access_key": values["accessKey"],
		"aws.s3.secret_key": values["secretKey"],
		"aws.s3.endpoint":   first(r.StarRocks.Endpoint, r.S3.Endpoint),
		"aws.s3.region":     first(r.StarRocks.Region, r.S3.Region),
	} {
		if value != "" {
			properties[key] = value
		}
	}
	if r.S3.PathStyle {
		properties["aws.s3.enable_path_style_access"] = strconv.FormatBool(true)
	}
	return properties, nil
}

// CheckSecrets reads every secret that the configuration refers to and tells which cannot be had; values are dropped.
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
		r := c.Repositories[name]
		_, err := r.Store()
		note(err, join("repositories", name))
		_, err = read(map[string]Secret{"accessKey": r.StarRocks.AccessKey, "secretKey": r.StarRocks.SecretKey})
		if err != nil {
			note(fmt.Errorf("starrocks.%w", err), join("repositories", name))
		}
	}
	return errors.Join(errs...)
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
