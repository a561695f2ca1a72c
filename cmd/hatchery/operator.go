package main

import (
	"cmp"
	"context"
	"fmt"
	"os/user"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// unknownOperator acts where the system does not tell who does.
const unknownOperator = "unknown"

// callerWithin bounds the question who the caller is, retries included.
const callerWithin = 20 * time.Second

// callerARN asks AWS who its credentials belong to. Everybody may ask that.
func callerARN(ctx context.Context, cloud aws.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callerWithin)
	defer cancel()
	out, err := sts.NewFromConfig(cloud).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", system(fmt.Errorf("ask AWS who acts: %w", err))
	}
	return cmp.Or(aws.ToString(out.Arn), unknownOperator), nil
}

// userHere is the user's name on this machine. It never fails: what dev keeps needs no proof of who acts.
func userHere(current func() (*user.User, error)) string {
	u, err := current()
	if err != nil {
		return unknownOperator
	}
	return cmp.Or(u.Username, unknownOperator)
}
