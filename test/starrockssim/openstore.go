package starrockssim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"starkeep/storage"
)

// OpenStore opens a location the way a FE or BE would: with the properties of CREATE REPOSITORY alone. It is the default
// of Options.OpenStore.
func OpenStore(location string, properties map[string]string) (storage.Store, error) {
	config, err := storeConfig(location, properties)
	if err != nil {
		return nil, err
	}
	return storage.Open(context.Background(), config)
}

// storeConfig reads the properties as StarRocks does (starrocks-facts §1.3; storage-servers §1.6). What it does not know
// is ignored (starrocks-measured, part A 01). Errors are in the FE's words.
func storeConfig(location string, p map[string]string) (storage.Config, error) {
	scheme, rest, found := strings.Cut(location, "://")
	if !found {
		return storage.Config{}, errors.New("invalid path. scheme is null")
	}
	switch scheme {
	case "s3", "s3a", "s3n":
		return objectStore(strings.TrimRight(rest, "/"), p)
	case "hdfs":
		return hdfsStore(strings.TrimRight(location, "/"), p)
	case "file":
		if err := os.MkdirAll(rest, 0o755); err != nil { // as hadoop does
			return storage.Config{}, err
		}
		return storage.Config{Location: location}, nil
	}
	return storage.Config{}, fmt.Errorf("org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme %q", scheme)
}

// objectStore is S3, or GCS through its S3-compatible API where the keys are given as hadoop's own (fs.s3a.*).
func objectStore(bucketAndPrefix string, p map[string]string) (storage.Config, error) {
	if !strings.Contains(bucketAndPrefix, "/") {
		return storage.Config{}, errors.New("The arguments of blob store(S3/Azure) may be wrong. You can check the arguments like region, IAM, instance profile and so on.")
	}
	if key := p["fs.s3a.access.key"]; key != "" {
		return storage.Config{Location: "gs://" + bucketAndPrefix, GCS: storage.GCS{
			Endpoint: endpoint(p["fs.s3a.endpoint"], p["fs.s3a.connection.ssl.enabled"]), AccessKey: key, SecretKey: p["fs.s3a.secret.key"],
		}}, nil
	}
	c := storage.S3{
		Endpoint: endpoint(p["aws.s3.endpoint"], p["aws.s3.enable_ssl"]), Region: p["aws.s3.region"],
		PathStyle:       p["aws.s3.enable_path_style_access"] == "true",
		InstanceProfile: p["aws.s3.use_instance_profile"] == "true",
		Role:            storage.Role{ARN: p["aws.s3.iam_role_arn"], ExternalID: p["aws.s3.external_id"], Endpoint: p["aws.s3.sts.endpoint"]},
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if !c.InstanceProfile && p["aws.s3.use_aws_sdk_default_behavior"] != "true" {
		c.AccessKey, c.SecretKey, c.SessionToken = p["aws.s3.access_key"], p["aws.s3.secret_key"], p["aws.s3.session_token"]
		if c.AccessKey == "" {
			return storage.Config{}, errNoCredentials
		}
	}
	return storage.Config{Location: "s3://" + bucketAndPrefix, S3: c}, nil
}

// errNoCredentials shows when the FE looks at a path.
var errNoCredentials = errors.New("org.apache.hadoop.fs.s3a.auth.NoAuthWithAWSException: No AWS Credentials provided by TemporaryAWSCredentialsProvider SimpleAWSCredentialsProvider EnvironmentVariableCredentialsProvider IAMInstanceCredentialsProvider : software.amazon.awssdk.core.exception.SdkClientException: Unable to load credentials from system settings. Access key must be specified either via environment variable (AWS_ACCESS_KEY_ID) or system property (aws.accessKeyId).")

// endpoint adds the scheme that the properties leave to enable_ssl.
func endpoint(host, ssl string) string {
	if host == "" || strings.Contains(host, "://") {
		return host
	}
	if ssl == "false" {
		return "http://" + host
	}
	return "https://" + host
}

// hdfsStore is HDFS without a broker, as the user that username names; password goes nowhere. High availability and
// Kerberos are read from the FE's own files only.
func hdfsStore(location string, p map[string]string) (storage.Config, error) {
	if p["dfs.nameservices"] != "" {
		return storage.Config{}, errors.New("namenode HA should be set in hdfs/core-site.xml")
	}
	if method := p["hadoop.security.authentication"]; method != "" && method != "simple" {
		return storage.Config{}, errors.New("kerberos should be set in hdfs/core-site.xml")
	}
	return storage.Config{Location: location, HDFS: storage.HDFS{User: p["username"]}}, nil
}
