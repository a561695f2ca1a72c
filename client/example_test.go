package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"hatchery/client"
)

func Example() {
	server, end := newFixture() // in your program: the deployment
	defer end()

	c := &client.Client{URL: "https://api.test", Authorization: client.Token("Bearer canary"), Transport: server.client.Transport}
	ctx, pictures := context.Background(), c.Entry("holiday", "1", "images")

	const picture = gif // in your program: an *os.File and its size
	record, err := pictures.Upload(ctx, client.File{Name: "Cat.gif", Content: strings.NewReader(picture), Size: int64(len(picture))})
	if err == nil {
		record, err = pictures.Wait(ctx, record.ID)
	}
	var refused *client.Error
	switch {
	case errors.As(err, &refused):
		log.Fatalf("refused as %s: %s", refused.Code, refused.Detail)
	case err != nil:
		log.Fatal(err)
	case record.Reason != nil:
		log.Fatalf("rejected as %s: %s", record.Reason.Code, record.Reason.Message)
	}
	fmt.Println(record.Status, record.FullName(), record.ContentType, record.Size)

	_, body, err := pictures.Open(ctx, record.ID)
	if err != nil {
		log.Fatal(err)
	}
	defer body.Close()
	received, err := io.Copy(io.Discard, body)
	fmt.Println(received, err)

	for each, err := range pictures.List(ctx, client.Stored) {
		fmt.Println(each.FullName(), err)
	}
	// Output:
	// stored Cat.gif image/gif 35
	// 35 <nil>
	// Cat.gif <nil>
}
