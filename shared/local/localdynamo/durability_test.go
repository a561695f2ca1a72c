package localdynamo_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/local/localdynamo"
)

func TestTablesItemsAndTokensSurviveCloseAndOpen(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "the tables%20?#.db"), newClock()
	s := openAt(t, path, c)
	s.createTable()
	_, err := s.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("forget"), Enabled: aws.Bool(true)}})
	s.ok(err)
	transaction := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String("once"), TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: table, Item: item{"pk": text("a"), "grp": text("g")}, ConditionExpression: aws.String("attribute_not_exists(pk)")}}}}
	_, err = s.TransactWriteItems(t.Context(), transaction)
	s.ok(err)
	before, err := s.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: table})
	s.ok(err)
	s.close()

	s = openAt(t, path, c)
	if !s.has("a") || s.inGroup("g") != 1 {
		t.Error("the item is gone, or its place in the index")
	}
	_, err = s.TransactWriteItems(t.Context(), transaction)
	s.ok(err)
	after, err := s.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: table})
	s.ok(err)
	if *after.Table.ItemCount != 1 || !after.Table.CreationDateTime.Equal(*before.Table.CreationDateTime) || len(after.Table.GlobalSecondaryIndexes) != 1 {
		t.Errorf("described as %+v", after.Table)
	}
	ttl, err := s.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: table})
	s.ok(err)
	if aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "forget" {
		t.Errorf("time to live is %+v", ttl.TimeToLiveDescription)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryIsGoneWithTheServer(t *testing.T) {
	for range 2 {
		s := openAt(t, "", newClock())
		s.createTable()
		if s.has("a") {
			t.Fatal("an item of another server is there")
		}
		s.put(item{"pk": text("a")})
		s.close()
	}
}

func TestSecondServerOnTheSameFileIsRefused(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "tables.db"), newClock()
	s := openAt(t, path, c)
	_, err := localdynamo.Open(t.Context(), options(t, path, c))
	if !errors.Is(err, localdynamo.ErrFileInUse) || !strings.Contains(err.Error(), path) {
		t.Fatalf("opened twice: %v", err)
	}
	s.createTable()
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	})
	o := options(t, filepath.Join(t.TempDir(), "tables.db"), newClock())
	busy := o
	busy.Listen = taken.Addr().String()
	_, err = localdynamo.Open(t.Context(), busy)
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), busy.Listen) {
		t.Errorf("busy port: %v", err)
	}
	if _, err := os.Stat(o.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a busy port left a file behind: %v", err)
	}
	for name, change := range map[string]func(*localdynamo.Options){
		"not absolute": func(o *localdynamo.Options) { o.Path = "tables.db" },
		"missing":      func(o *localdynamo.Options) { o.Path = filepath.Join(t.TempDir(), "missing", "tables.db") },
		"required":     func(o *localdynamo.Options) { o.SecretKey = "" },
		"database": func(o *localdynamo.Options) {
			o.Path = filepath.Join(t.TempDir(), "tables.db")
			if err := os.WriteFile(o.Path, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		wrong := o
		change(&wrong)
		_, err := localdynamo.Open(t.Context(), wrong)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secretKey) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}

// serve makes this test binary a process that does nothing but write to a file until it is killed.
var serve = flag.String("localdynamo.serve", "", "serve this file and put items until killed")

func TestMain(m *testing.M) {
	flag.Parse()
	if *serve != "" {
		panic(child(*serve)) // it returns for trouble only
	}
	m.Run()
}

// child serves the file and puts items in pairs as fast as it can, telling each pair that was answered.
func child(path string) error {
	ctx := context.Background()
	s, err := localdynamo.Open(ctx, localdynamo.Options{Path: path, Listen: "127.0.0.1:0", Region: region, AccessKey: accessKey, SecretKey: secretKey})
	if err != nil {
		return err
	}
	c := client(s.URL(), signer{time.Now}, secretKey)
	if _, err := c.CreateTable(ctx, tableInput()); err != nil && !strings.Contains(err.Error(), "ResourceInUseException") {
		return err
	}
	for i := 0; ; i++ {
		name := fmt.Sprintf("%d-%d", os.Getpid(), i)
		var puts []types.TransactWriteItem
		for _, half := range []string{"/1", "/2"} {
			puts = append(puts, types.TransactWriteItem{Put: &types.Put{TableName: table, Item: item{"pk": text(name + half), "grp": text(name)}}})
		}
		if _, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: puts}); err != nil {
			return err
		}
		fmt.Println(name) // one write, which a kill does not cut in two
	}
}

func TestKilledProcessLosesNothingItAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tables.db")
	var accepted []string
	for range 4 {
		command := exec.CommandContext(t.Context(), os.Args[0], "-localdynamo.serve="+path)
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 100 && lines.Scan(); n++ {
			accepted = append(accepted, lines.Text())
		}
		if err := command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			accepted = append(accepted, lines.Text())
		}
		if _, err := io.Copy(io.Discard, out); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err == nil || len(accepted) == 0 {
			t.Fatalf("the child ended by itself: %v", err)
		}
	}
	s := openAt(t, path, newClock())
	for i, name := range accepted {
		if !s.has(name+"/1") || !s.has(name+"/2") || s.inGroup(name) != 2 {
			t.Errorf("pair %d of %d, %q, is lost", i, len(accepted), name)
		}
	}
	whole := map[string]int{}
	pages := dynamodb.NewScanPaginator(s, &dynamodb.ScanInput{TableName: table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		s.ok(err)
		for _, it := range page.Items {
			whole[it["grp"].(*types.AttributeValueMemberS).Value]++
		}
	}
	for name, n := range whole {
		if n != 2 {
			t.Errorf("of the transaction %q there is a half", name)
		}
	}
}
