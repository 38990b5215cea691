"""How the ARNs of AWS's services are written: which parameter names the resource, and what stands before the name.

Only what is certain is here. Where an ARN holds an id that the request does not have (a stack's, a secret's) it is
left out, and `clew.identifiers` finds the name.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from clew.resources import Place

# By botocore's name of the service: the service's name in ARNs, then `parameter=prefix of the name`, the first that is
# given counts. `@` after the service tells which of region and account its ARNs have; without it, both. Text, because
# INIT then loads one dictionary of constants.
_SERVICES = {
    "amplify": "amplify appId=apps/",
    "apigateway": "apigateway@region restApiId=/restapis/",
    "apigatewayv2": "apigateway@region ApiId=/apis/",
    "appconfig": "appconfig ApplicationId=application/",
    "appsync": "appsync apiId=apis/",
    "athena": "athena WorkGroup=workgroup/",
    "backup": "backup BackupVaultName=backup-vault:",
    "batch": "batch jobQueue=job-queue/ jobQueueName=job-queue/",
    "bedrock-agent": "bedrock agentId=agent/ knowledgeBaseId=knowledge-base/ flowIdentifier=flow/",
    "bedrock-agent-runtime": "bedrock agentId=agent/ knowledgeBaseId=knowledge-base/ flowIdentifier=flow/",
    "cloudfront": "cloudfront@account DistributionId=distribution/",
    "cloudtrail": "cloudtrail TrailName=trail/",
    "cloudwatch": "cloudwatch AlarmName=alarm:",
    "codebuild": "codebuild projectName=project/",
    "codecommit": "codecommit repositoryName=",
    "codepipeline": "codepipeline pipelineName= name=",
    "cognito-identity": "cognito-identity IdentityPoolId=identitypool/",
    "cognito-idp": "cognito-idp UserPoolId=userpool/",
    "dax": "dax ClusterName=cache/",
    "docdb": "rds DBInstanceIdentifier=db: DBClusterIdentifier=cluster:",
    "ec2": "ec2 InstanceId=instance/ InstanceIds=instance/ VolumeId=volume/ VolumeIds=volume/ VpcId=vpc/ VpcIds=vpc/"
    " SubnetId=subnet/ SubnetIds=subnet/ NetworkInterfaceId=network-interface/ GroupId=security-group/"
    " GroupIds=security-group/ RouteTableId=route-table/ LaunchTemplateId=launch-template/",
    "ecr": "ecr repositoryName=repository/",
    "ecs": "ecs cluster=cluster/ clusterName=cluster/",
    "efs": "elasticfilesystem FileSystemId=file-system/",
    "eks": "eks clusterName=cluster/",
    "elasticache": "elasticache CacheClusterId=cluster: ReplicationGroupId=replicationgroup:"
    " ServerlessCacheName=serverlesscache:",
    "elasticbeanstalk": "elasticbeanstalk ApplicationName=application/",
    "emr": "elasticmapreduce ClusterId=cluster/ JobFlowId=cluster/",
    "emr-serverless": "emr-serverless applicationId=/applications/",
    "es": "es DomainName=domain/",
    "firehose": "firehose DeliveryStreamName=deliverystream/",
    "fsx": "fsx FileSystemId=file-system/",
    "glue": "glue JobName=job/ CrawlerName=crawler/ DatabaseName=database/",
    "guardduty": "guardduty DetectorId=detector/",
    "iot": "iot thingName=thing/ ruleName=rule/ policyName=policy/",
    "iot-data": "iot topic=topic/ thingName=thing/",
    "iot-jobs-data": "iot thingName=thing/",
    "kinesisanalyticsv2": "kinesisanalytics ApplicationName=application/",
    "logs": "logs logGroupName=log-group:",
    "memorydb": "memorydb ClusterName=cluster/",
    "neptune": "rds DBInstanceIdentifier=db: DBClusterIdentifier=cluster:",
    "opensearch": "es DomainName=domain/",
    "pipes": "pipes Name=pipe/",
    "quicksight": "quicksight DashboardId=dashboard/ DataSetId=dataset/ AnalysisId=analysis/",
    "rds": "rds DBInstanceIdentifier=db: DBClusterIdentifier=cluster: DBSnapshotIdentifier=snapshot:",
    "redshift": "redshift ClusterIdentifier=cluster:",
    "redshift-data": "redshift ClusterIdentifier=cluster:",
    "rekognition": "rekognition CollectionId=collection/",
    "route53": "route53@ HostedZoneId=hostedzone/",
    "sagemaker": "sagemaker EndpointName=endpoint/ ModelName=model/",
    "sagemaker-featurestore-runtime": "sagemaker FeatureGroupName=feature-group/",
    "sagemaker-runtime": "sagemaker EndpointName=endpoint/",
    "ssm": "ssm Name=parameter/",
    "transcribe": "transcribe VocabularyName=vocabulary/",
    "transfer": "transfer ServerId=server/",
}


class Template(NamedTuple):
    """A parameter that names a resource, and what its ARN is made of."""

    parameter: str
    service: str
    region: bool
    account: bool
    prefix: str

    def arn(self, name: str, place: Place) -> str:
        """The ARN of the resource of that name; "" where region or account are not known."""
        if (self.region and not place.region) or (self.account and not place.account):
            return ""
        region, account = place.region if self.region else "", place.account if self.account else ""
        # A name may start with the slash that the prefix ends with: `/team/parameter`, `/hostedzone/Z1`.
        name = name.removeprefix("/").removeprefix(self.prefix) if self.prefix.endswith("/") else name
        return f"arn:{place.partition}:{self.service}:{region}:{account}:{self.prefix}{name}"


@lru_cache(maxsize=64)
def templates(service: str) -> tuple[Template, ...]:
    """The parameters of a service that name a resource whose ARN can be told, in order of preference."""
    given = _SERVICES.get(service)
    if given is None:
        return ()
    name, *parameters = given.split()
    name, at, scope = name.partition("@")
    region, account = not at or scope == "region", not at or scope == "account"
    return tuple(
        Template(parameter, name, region, account, prefix)
        for parameter, _, prefix in (pair.partition("=") for pair in parameters)
    )
